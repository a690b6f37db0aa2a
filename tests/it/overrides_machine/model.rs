//! What is promised of overrides, by what happened at GitHub: who may, on which commit, until when, and what ends one.

use std::collections::{BTreeMap, BTreeSet};

use super::ledger::{self, Row};

/// What the repository's policy allows: [`EXPIRES`] in seconds.
const EXPIRES_S: i64 = 7_200;
pub(super) const EXPIRES: &str = "2h";
/// Nearer to its end than this, an override may be over or not by the time it is decided on.
const NEAR_S: i64 = 120;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Person {
    /// Has write permission.
    Nora,
    /// Has maintain permission.
    Max,
    /// Has write permission, and the pull request is hers.
    Ada,
    /// Has read permission.
    Rita,
    /// Has none.
    Eve,
}

impl Person {
    pub(super) fn login(self) -> &'static str {
        match self {
            Self::Nora => "nora",
            Self::Max => "max",
            Self::Ada => "ada",
            Self::Rita => "rita",
            Self::Eve => "eve",
        }
    }

    fn may_override(self) -> bool {
        matches!(self, Self::Nora | Self::Max)
    }

    fn may_cancel(self) -> bool {
        self.may_override() || self == Self::Ada
    }
}

/// What a webhook tells.
#[derive(Clone, Debug)]
pub(super) enum Told {
    /// Of a move, by its place among them.
    Moved(usize),
    /// Of an override that is asked for, by its key.
    Asked(String),
    /// Of a press of the button, and what was looked at then.
    Pressed(Person, Look),
    /// That the override is to be taken back.
    Cancelled(Person),
    /// Of something that is nothing to overrides.
    Other,
}

/// What somebody looked at, and when.
#[derive(Clone, Debug)]
pub(super) struct Look {
    at_s: i64,
    head: String,
    base: &'static str,
}

/// Whether an override that was asked for is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    /// It was not heard of yet.
    Nothing,
    Made,
    Refused,
    /// What was heard first, or not heard at all, decides.
    Either,
}

/// Somebody asks for an override.
#[derive(Debug)]
pub(super) struct Asked {
    key: String,
    who: Person,
    look: Look,
    span_s: i64,
    expect: Expect,
}

impl Asked {
    pub(super) fn comment(&self) -> Option<u64> {
        self.key.strip_prefix("comment:").map(|id| id.parse().unwrap())
    }
}

/// A push or another base.
#[derive(Debug)]
struct Moved {
    at_s: i64,
    word: &'static str,
    arrived: bool,
}

/// The truth at GitHub, and what the service was told of it.
pub(super) struct Model {
    pub(super) is_open: bool,
    pub(super) base: &'static str,
    heads: Vec<String>,
    moves: Vec<Moved>,
    asks: BTreeMap<String, Asked>,
    /// Overrides that somebody took back who may.
    cancelled: BTreeSet<String>,
    /// Those that were taken back, or had not been made by then.
    perhaps_cancelled: BTreeSet<String>,
}

impl Model {
    pub(super) fn new(head: String) -> Self {
        Self {
            is_open: true,
            base: "main",
            heads: vec![head],
            moves: Vec::new(),
            asks: BTreeMap::new(),
            cancelled: BTreeSet::new(),
            perhaps_cancelled: BTreeSet::new(),
        }
    }

    fn head(&self) -> &str {
        self.heads.last().expect("there is always one")
    }

    pub(super) fn now(&self, at_s: i64) -> Look {
        Look { at_s, head: self.head().to_owned(), base: self.base }
    }

    /// The commit that was the head before this one, if there was one.
    pub(super) fn earlier_head(&self) -> Option<String> {
        self.heads.iter().rev().find(|head| *head != self.head()).cloned()
    }

    pub(super) fn moved(&mut self, at_s: i64, head: String) -> Told {
        self.heads.push(head);
        self.note(at_s, "pushed")
    }

    pub(super) fn retargeted(&mut self, at_s: i64, base: &'static str) -> Told {
        self.base = base;
        self.note(at_s, "retargeted")
    }

    fn note(&mut self, at_s: i64, word: &'static str) -> Told {
        self.moves.push(Moved { at_s, word, arrived: false });
        Told::Moved(self.moves.len() - 1)
    }

    pub(super) fn asked(&mut self, at_s: i64, key: String, who: Person, span_s: Option<i64>) -> Told {
        let span_s = span_s.unwrap_or(EXPIRES_S).min(EXPIRES_S);
        let look = self.now(at_s);
        self.asks.insert(key.clone(), Asked { key: key.clone(), who, look, span_s, expect: Expect::Nothing });
        Told::Asked(key)
    }

    pub(super) fn asks(&self) -> impl Iterator<Item = &Asked> {
        self.asks.values()
    }

    /// The service was told of these, and knew of all else before if `calm`; more than one at a time come in any order.
    pub(super) fn arrived(
        &mut self,
        told: Vec<Told>,
        now_s: i64,
        calm: bool,
        standing: Option<String>,
        button: Option<String>,
    ) {
        let alone = told.len() == 1;
        let mut keys = Vec::new();
        for one in &told {
            match one {
                Told::Asked(key) => keys.push(key.clone()),
                Told::Pressed(who, look) => {
                    let (key, who, look) = (button.clone().expect("it was delivered"), *who, look.clone());
                    let asked = Asked { key: key.clone(), who, look, span_s: EXPIRES_S, expect: Expect::Nothing };
                    self.asks.insert(key.clone(), asked);
                    keys.push(key);
                }
                Told::Moved(_) | Told::Cancelled(_) | Told::Other => {}
            }
        }
        for key in &keys {
            let expect = self.expect(&self.asks[key], now_s, calm && alone);
            self.asks.get_mut(key).expect("it is there").expect = expect;
        }
        for one in told {
            match one {
                Told::Moved(at) => self.moves[at].arrived = true,
                Told::Cancelled(who) if who.may_cancel() && alone => self.cancelled.extend(standing.clone()),
                Told::Cancelled(who) if who.may_cancel() => {
                    self.perhaps_cancelled.extend(standing.iter().chain(&keys).cloned());
                }
                _ => {}
            }
        }
    }

    fn expect(&self, asked: &Asked, now_s: i64, known: bool) -> Expect {
        let Asked { who, look, span_s, .. } = asked;
        let left_s = look.at_s + span_s - now_s;
        let moved = self.moves.iter().any(|moved| moved.arrived && moved.at_s >= look.at_s);
        let other = look.head != self.head() || look.base != self.base;
        if !who.may_override() || !self.is_open || moved || other || left_s <= 0 {
            return Expect::Refused;
        }
        if known && left_s > NEAR_S { Expect::Made } else { Expect::Either }
    }

    /// Every row is one that may be there, and none is missing. Says whether one was refused.
    pub(super) fn check_ledger(&self, rows: &[Row], now: i64) -> bool {
        for row in ledger::made(rows) {
            let asked = self.asks.get(&row.id).unwrap_or_else(|| panic!("nobody asked for {row:#?}"));
            assert!(matches!(asked.expect, Expect::Made | Expect::Either), "{asked:?}: {row:#?}");
            assert_eq!((row.login.as_deref(), row.head.as_str()), (Some(asked.who.login()), asked.look.head.as_str()));
            assert_eq!(row.base, asked.look.base);
            assert_eq!(row.until, row.asked_at + asked.span_s * 1_000, "{asked:?}");
            assert_eq!(row.asked_at / 1_000, asked.look.at_s);
            assert!(row.at >= row.asked_at && row.at <= now && row.at < row.until, "{row:#?}");
            if let Some(end) = ledger::end(rows, &row.id) {
                assert!(self.may_end(rows, row, end), "{row:#?}\nended for no reason: {end:#?}");
            }
        }
        for asked in self.asks.values().filter(|asked| asked.expect == Expect::Made) {
            assert!(ledger::made(rows).any(|row| row.id == asked.key), "refused: {asked:?}\n{rows:#?}");
        }
        self.asks.values().any(|asked| asked.expect == Expect::Refused)
    }

    fn may_end(&self, rows: &[Row], made: &Row, end: &Row) -> bool {
        let moved = |moved: &Moved| moved.word == end.what && moved.at_s >= made.asked_at / 1_000;
        match end.what.as_str() {
            "expired" => end.at >= made.until,
            "replaced" => ledger::made(rows).any(|later| later.id != made.id && later.at == end.at),
            "cancelled" => self.cancelled.contains(&made.id) || self.perhaps_cancelled.contains(&made.id),
            _ => self.moves.iter().any(moved),
        }
    }

    /// What is in force, once the service was told of everything: the override made last, unless something ended it.
    pub(super) fn check_standing(&self, standing: Option<&Row>, rows: &[Row], now: i64) {
        let Some(last) = ledger::made(rows).last() else { return assert!(standing.is_none()) };
        let moved = self.moves.iter().any(|moved| moved.at_s >= last.asked_at / 1_000);
        let ended = moved || now >= last.until || self.cancelled.contains(&last.id);
        if !ended && self.perhaps_cancelled.contains(&last.id) {
            return;
        }
        let expected = (!ended).then_some(last);
        assert_eq!(standing, expected, "at {now}, moves {:#?}, ledger {rows:#?}", self.moves);
    }
}
