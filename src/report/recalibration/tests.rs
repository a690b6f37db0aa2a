//! What a person reads, from simulated years.

use super::*;
use crate::{
    outcome::recalibrate::{
        Lineage, Platt, judge,
        record::{Asked, record as read},
        simulation::{Gate, World, YEAR, rows},
    },
    report::terminal::Style,
};

const PLAIN: Style = Style { color: false, width: 120, unicode: true };

#[test]
fn the_record_of_a_year_says_how_right_scores_have_been() {
    let mut world = World::new(42, 0.0, 0.3);
    let mut year = rows(world.year(1_500, Gate::Half(50)));
    year.iter_mut().step_by(97).for_each(|row| row.overridden = true);
    let asked = Asked { since: 0, now: YEAR, threshold: 50 };
    let said =
        |rows: &[_]| record::render(&read(rows, &world.champion, Platt::IDENTITY, asked), "baseline", &[], PLAIN);
    let whole = said(&year);
    for part in ["Of the changes scored 50 or more, ", " held and never deployed", "Held in vain", " h\n", "earned"] {
        assert!(whole.contains(part), "{part:?} is not in\n{whole}");
    }
    let versions = [Version {
        at: YEAR,
        activated: true,
        version: "learned-1".to_owned(),
        before: "baseline".to_owned(),
        by: "<b>Nora</b>".to_owned(),
        shifts: [("churn.added", 3.2), ("age.days", -1.0)].map(|(id, points)| (id.to_owned(), points)).into(),
    }];
    let page = html::render(&read(&year, &world.champion, Platt::IDENTITY, asked), "baseline", &versions);
    for chart in ["reliability", "distribution", "precision", "drifting"] {
        assert!(page.contains(&format!("<figure aria-labelledby=\"{chart}\">")), "{chart} is drawn\n{page}");
    }
    for part in ["&#60;b&#62;Nora", "churn.added +3.2, age.days −1", "Overrides, judged"] {
        assert!(page.contains(part), "{part:?} is not in\n{page}");
    }
    let few = said(&year[..10]);
    assert!(few.contains("Not enough outcomes yet: ") && !few.contains('%'), "{few}");
}

#[test]
fn a_judgement_says_what_moved_and_what_it_would_change() {
    let mut world = World::new(203, 0.2, 0.0);
    let year = rows(world.year(1_500, Gate::Open));
    let judgement = judge(&year, Lineage::first(&world.champion), YEAR, "learned-1").unwrap();
    let said = judgement::render(&judgement, Lineage::first(&world.champion), PLAIN);
    for part in [
        &*format!("learned-1 against {}", world.champion.version),
        "Fitted on 1,500 changes",
        "What moved",
        "another level",
    ] {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
}
