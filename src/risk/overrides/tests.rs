//! Overrides against a simple model, over whatever happens to a pull request in whatever order.

use chrono::{DateTime, Utc};
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::risk::{
    Model, assess,
    assessment::{Because, Conclusion, Mode},
    facts::Facts,
    policy::{Policy, Threshold},
    stories::{file, pull_request},
};

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

fn ask() -> Ask<'static> {
    Ask {
        id: "o1",
        by: "nora",
        role: Role::Write,
        is_author: false,
        reason: "The fix cannot wait",
        span_s: None,
        asked_at: at(100),
        asked_on: None,
    }
}

const CURRENT: Current<'static> = Current { head_sha: "a", base_ref: "main", open: true };

fn shown() -> Shown<'static> {
    Shown { head_sha: "a", base_ref: "main", first_at: at(50), score: 72, held: true }
}

fn allow(who: Permission, by_author: bool) -> OverridePolicy {
    OverridePolicy { who, by_author, expires_s: 3_600 }
}

#[test]
fn who_may_and_on_what() {
    use Permission::{Admin, Maintain, Write};
    let check = |ask: Ask<'_>, policy, current, shown, expected: Result<(), Refusal>| {
        assert_eq!(permit(&ask, policy, current, shown, at(110)).map(|_| ()), expected, "{ask:?} {policy:?}");
    };
    let by = |role| Ask { role, ..ask() };
    for (who, least) in [(Write, Role::Write), (Maintain, Role::Maintain), (Admin, Role::Admin)] {
        for role in [Role::None, Role::Read, Role::Triage, Role::Write, Role::Maintain, Role::Admin] {
            let expected = if role >= least { Ok(()) } else { Err(Refusal::Role { needs: who }) };
            check(by(role), allow(who, false), CURRENT, Some(shown()), expected);
        }
    }
    let own = Ask { is_author: true, ..by(Role::Admin) };
    check(own.clone(), allow(Write, false), CURRENT, Some(shown()), Err(Refusal::Author { needs: Write }));
    check(own.clone(), allow(Write, true), CURRENT, Some(shown()), Ok(()));
    let own = Ask { role: Role::Read, ..own };
    check(own, allow(Write, true), CURRENT, Some(shown()), Err(Refusal::Role { needs: Write }));

    let write = allow(Write, false);
    check(ask(), write, Current { open: false, ..CURRENT }, Some(shown()), Err(Refusal::NotOpen));
    check(ask(), write, CURRENT, None, Err(Refusal::NotScored));
    check(ask(), write, Current { head_sha: "b", ..CURRENT }, Some(shown()), Err(Refusal::Moved));
    check(ask(), write, Current { base_ref: "next", ..CURRENT }, Some(shown()), Err(Refusal::Moved));
    let pressed = |head| Ask { asked_on: Some(head), ..ask() };
    check(pressed("a"), write, CURRENT, Some(shown()), Ok(()));
    check(pressed("z"), write, CURRENT, Some(shown()), Err(Refusal::Moved));
    check(ask(), write, CURRENT, Some(Shown { first_at: at(100), ..shown() }), Ok(()));
    check(ask(), write, CURRENT, Some(Shown { first_at: at(101), ..shown() }), Err(Refusal::Unseen));
    check(ask(), write, CURRENT, Some(Shown { held: false, ..shown() }), Err(Refusal::NotHeld));
    check(Ask { span_s: Some(11), ..ask() }, write, CURRENT, Some(shown()), Ok(()));
    check(Ask { span_s: Some(10), ..ask() }, write, CURRENT, Some(shown()), Err(Refusal::Late));
}

#[test]
fn the_policy_bounds_how_long() {
    let check = |span_s, expires_s, expected: i64, cut| {
        let policy = OverridePolicy { expires_s, ..OverridePolicy::default() };
        let grant = permit(&Ask { span_s, ..ask() }, policy, CURRENT, Some(shown()), at(110)).unwrap();
        assert_eq!((grant.made.terms.until, grant.cut), (at(100 + expected), cut), "{span_s:?} of {expires_s}");
        assert_eq!(grant.made.terms.made_at, at(110));
    };
    check(None, 3_600, 3_600, false);
    check(Some(600), 3_600, 600, false);
    check(Some(3_600), 3_600, 3_600, false);
    check(Some(3_601), 3_600, 3_600, true);
    check(Some(u64::MAX), 300, 300, true);
    let policy = OverridePolicy { expires_s: u64::MAX, ..OverridePolicy::default() };
    let grant = permit(&ask(), policy, CURRENT, Some(shown()), at(110)).unwrap();
    assert_eq!(grant.made.terms.until, DateTime::<Utc>::MAX_UTC);
}

#[test]
fn old_news_ends_nothing() {
    let made = permit(&ask(), OverridePolicy::default(), CURRENT, Some(shown()), at(110)).unwrap().made;
    let check = |happening, expected| assert_eq!(ended_by(&made, happening), expected, "{happening:?}");
    let pushed = |head_sha, second: Option<i64>| Happening::Pushed { head_sha, at: second.map(at) };
    check(pushed("b", Some(99)), None);
    check(pushed("b", Some(100)), Some(End::Pushed));
    check(pushed("b", None), Some(End::Pushed));
    check(pushed("a", Some(100)), None);
    check(pushed("a", None), None);
    check(pushed("a", Some(101)), Some(End::Pushed));
    check(Happening::Retargeted { at: Some(at(99)) }, None);
    check(Happening::Retargeted { at: Some(at(101)) }, Some(End::Retargeted));
    let seen = |head_sha, base_ref, second| Happening::Seen { head_sha, base_ref, now: at(second) };
    check(seen("a", "main", 120), None);
    check(seen("b", "main", 120), Some(End::Pushed));
    check(seen("a", "next", 120), Some(End::Retargeted));
    check(seen("a", "main", 100 + 4 * 3_600), Some(End::Expired));
    check(Happening::Clock { now: at(99 + 4 * 3_600) }, None);
    check(Happening::Clock { now: at(100 + 4 * 3_600) }, Some(End::Expired));
    for end in End::ALL {
        assert_eq!(End::from_word(end.word()), Some(end));
    }
    assert_eq!(End::from_word("made"), None);
}

/// What may happen, as the service would be told of it.
#[derive(Clone, Debug)]
enum Op {
    Push(u8),
    LatePush(u8),
    Retarget(u8),
    Override { span_s: u64, author: bool, role: Role },
    Cancel,
    Rescore,
    Close,
    Reopen,
    Wait(i64),
}

fn op() -> impl Strategy<Value = Op> {
    let role = prop_oneof![Just(Role::Read), Just(Role::Write), Just(Role::Admin)];
    prop_oneof![
        2 => (0..4_u8).prop_map(Op::Push),
        1 => (0..4_u8).prop_map(Op::LatePush),
        1 => (0..2_u8).prop_map(Op::Retarget),
        5 => (60..2_000_u64, proptest::bool::weighted(0.2), role).prop_map(|(span_s, author, role)| Op::Override {
            span_s,
            author,
            role
        }),
        1 => Just(Op::Cancel),
        3 => Just(Op::Rescore),
        1 => Just(Op::Close),
        1 => Just(Op::Reopen),
        3 => (1..900_i64).prop_map(Op::Wait),
    ]
}

const HEADS: [&str; 4] = ["aaaa", "bbbb", "cccc", "dddd"];
const BASES: [&str; 2] = ["main", "next"];

/// A pull request, its ledger kept by the functions under test, and beside it the model: until when which push may pass.
struct World {
    now: i64,
    head: usize,
    base: usize,
    open: bool,
    /// Head and base of the newest assessment, and when that head was assessed first since it was pushed.
    scored: Option<(usize, usize, i64)>,
    ledger: Vec<Entry>,
    made: u32,
    /// The model: an override holds until this second and nothing else is to be remembered.
    holds_until: Option<i64>,
}

impl World {
    fn new() -> Self {
        let (ledger, scored) = (Vec::new(), None);
        Self { now: 0, head: 0, base: 0, open: true, scored, ledger, made: 0, holds_until: None }
    }

    fn happens(&mut self, happening: Happening<'_>) {
        let ended = standing(&self.ledger).and_then(|made| Some((made.terms.id.clone(), ended_by(made, happening)?)));
        if let Some((id, end)) = ended {
            self.ledger.push(Entry::Ended { id, at: at(self.now), end, by: None });
        }
    }

    fn facts(&self) -> Facts {
        let mut facts = pull_request("fix: cart", vec![file("src/cart.rs", 3, 1)]);
        facts.at = at(self.now);
        (facts.change.head_sha, facts.change.base_ref) = (HEADS[self.head].to_owned(), BASES[self.base].to_owned());
        facts.overridden = standing(&self.ledger).map(|made| made.terms.clone());
        facts
    }

    fn look(&mut self) {
        self.happens(Happening::Seen { head_sha: HEADS[self.head], base_ref: BASES[self.base], now: at(self.now) });
        let first = match self.scored {
            Some((head, base, first)) if (head, base) == (self.head, self.base) => first,
            _ => self.now,
        };
        self.scored = Some((self.head, self.base, first));
    }

    fn act(&mut self, op: &Op) {
        // What happens in one second cannot be told apart by GitHub's times.
        self.now += 1;
        match *op {
            Op::Push(head) => {
                let head = usize::from(head);
                if head != self.head {
                    (self.head, self.holds_until) = (head, None);
                    self.happens(Happening::Pushed { head_sha: HEADS[head], at: Some(at(self.now)) });
                }
            }
            // A webhook about a push from before everything else.
            Op::LatePush(head) => {
                self.happens(Happening::Pushed { head_sha: HEADS[usize::from(head)], at: Some(at(-1)) });
            }
            Op::Retarget(base) => {
                let base = usize::from(base);
                if base != self.base {
                    (self.base, self.holds_until) = (base, None);
                    self.happens(Happening::Retargeted { at: Some(at(self.now)) });
                }
            }
            Op::Override { span_s, author, role } => self.overrides(span_s, author, role),
            Op::Cancel => {
                self.holds_until = None;
                if let Some(id) = standing(&self.ledger).map(|made| made.terms.id.clone()) {
                    let by = Some("nora".to_owned());
                    self.ledger.push(Entry::Ended { id, at: at(self.now), end: End::Cancelled, by });
                }
            }
            Op::Rescore => self.look(),
            Op::Close => self.open = false,
            Op::Reopen => self.open = true,
            Op::Wait(seconds) => {
                self.now += seconds;
                self.happens(Happening::Clock { now: at(self.now) });
            }
        }
    }

    fn overrides(&mut self, span_s: u64, author: bool, role: Role) {
        let id = format!("o{}", self.made);
        let ask = Ask { id: &id, role, is_author: author, span_s: Some(span_s), asked_at: at(self.now), ..ask() };
        let current = Current { head_sha: HEADS[self.head], base_ref: BASES[self.base], open: self.open };
        let shown = self.scored.map(|(head, base, first)| Shown {
            head_sha: HEADS[head],
            base_ref: BASES[base],
            first_at: at(first),
            score: 72,
            held: true,
        });
        let policy = OverridePolicy { expires_s: 1_000, ..OverridePolicy::default() };
        let allowed = role >= Role::Write
            && !author
            && self.open
            && self.scored.is_some_and(|(head, base, _)| (head, base) == (self.head, self.base));
        let granted = permit(&ask, policy, current, shown, at(self.now));
        assert_eq!(granted.is_ok(), allowed, "{granted:?}");
        let Ok(Grant { made, .. }) = granted else { return };
        self.made += 1;
        if let Some(id) = standing(&self.ledger).map(|made| made.terms.id.clone()) {
            self.ledger.push(Entry::Ended { id, at: at(self.now), end: End::Replaced, by: None });
        }
        self.ledger.push(Entry::Made(made));
        self.holds_until = Some(self.now + i64::try_from(span_s.min(1_000)).unwrap());
    }
}

proptest! {
    #[test]
    fn an_override_passes_what_was_seen_and_nothing_else(ops in vec(op(), 1..40)) {
        let policy = Policy { mode: Mode::Enforce, threshold: Threshold::Score(1), ..Policy::default() };
        let mut world = World::new();
        for op in &ops {
            let before = world.ledger.clone();
            world.act(op);
            prop_assert!(world.ledger.starts_with(&before), "the ledger is only added to");
            let holds = world.holds_until.is_some_and(|until| world.now < until);
            let verdict = assess(&world.facts(), Model::baseline(), &policy).verdict;
            prop_assert_eq!(verdict.because, Because::AtOrAboveThreshold);
            let expected = if holds { Conclusion::Success } else { Conclusion::ActionRequired };
            prop_assert_eq!((verdict.conclusion, verdict.overridden.is_some()), (expected, holds), "{:?}", op);
        }
        let mut ended: Vec<&str> = world.ledger.iter().filter_map(|entry| match entry {
            Entry::Ended { id, .. } => Some(id.as_str()),
            Entry::Made(_) => None,
        }).collect();
        let ends = ended.len();
        ended.dedup();
        prop_assert_eq!(ends, ended.len(), "each ends once");
        prop_assert!(usize::try_from(world.made).unwrap() - ends <= 1, "at most one stands");
    }
}
