//! What has to hold for every webhook of PagerDuty's. Input: the body.

use chrono::TimeDelta;
use mergecast::deployment::incident::{Incident, Telling, fold};
use mergecast::pagerduty::{Catalogue, Notice, Said, map, parse, telling};

pub(crate) fn check(data: &[u8]) {
    match parse(data) {
        Ok(notice) => tells(&notice),
        // Nobody learns from an error what was in the payload.
        Err(error) => assert!(error.to_string().len() < 100),
    }
}

fn tells(notice: &Notice) {
    let mapping = match &notice.said {
        Said::Incident(incident) => map(incident, None, &Catalogue::default(), None),
        Said::Note { .. } | Said::Nothing => Default::default(),
    };
    let told = telling(notice, &mapping);
    assert_eq!(told.is_none(), notice.said == Said::Nothing);
    let Some(told) = told else { return };
    assert!(told.severity.is_none_or(|severity| severity <= 5));
    let mut later = told.clone();
    later.said_at = later.said_at.checked_add_signed(TimeDelta::minutes(5)).unwrap_or(later.said_at);
    let once = folded(&[&told, &later]);
    assert_eq!(folded(&[&later, &told, &later]), once, "order and repetition change nothing");
    assert!(once.time_to_restore().is_none_or(|took| took >= TimeDelta::zero()));
    assert!(once.active.windows(2).all(|pair| pair[0].to.is_some_and(|to| to < pair[1].from)));
    let stored = serde_json::to_string(&once).expect("an incident is plain data");
    assert_eq!(serde_json::from_str::<Incident>(&stored).expect("what was stored is read"), once);
}

fn folded(told: &[&Telling]) -> Incident {
    fold(told.iter().copied()).remove(0)
}
