//! Our queries against GitHub's published schema, and GitHub's own example payloads against our reading of them.

use mergecast::github::{
    EVENTS,
    webhook::{Event, Ignored},
};

use crate::contracts::Contracts;

#[test]
fn every_query_is_valid_and_cheap() {
    let Some(contracts) = Contracts::load() else { return };
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/github/queries");
    let mut queries = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let cost = contracts.check_query(&std::fs::read_to_string(&path).unwrap());
        let cost = cost.unwrap_or_else(|errors| panic!("{}:\n{}", path.display(), errors.join("\n")));
        // An installation has 5,000 points an hour; a score costs a few of them.
        assert!(cost.points <= 10, "{}: {cost:?}", path.display());
        queries += 1;
    }
    assert!(queries >= 2);
}

#[test]
fn every_example_payload_is_understood() {
    let Some(contracts) = Contracts::load() else { return };
    let mut understood = std::collections::BTreeMap::<&str, usize>::new();
    for (event, payload) in contracts.examples() {
        let action = payload["action"].as_str().unwrap_or_default().to_owned();
        let read = Event::parse(&event, payload.to_string().as_bytes());
        let read = read.unwrap_or_else(|error| panic!("{event}.{action}: {error}"));
        let Some(row) = EVENTS.iter().find(|row| row.name == event) else {
            assert_eq!(read, Event::Ignored(Ignored::Event), "{event}");
            continue;
        };
        let wanted = row.actions.is_empty() || row.actions.contains(&action.as_str());
        let ignored = matches!(read, Event::Ignored(Ignored::Event | Ignored::Action));
        assert_eq!(wanted, !ignored, "{event}.{action} is read as {read:?}");
        *understood.entry(row.name).or_default() += usize::from(wanted);
    }
    // An event without a single example would pass unseen. Of these GitHub publishes none; the simulator sends them, and
    // they are held to its schema.
    const WITHOUT_EXAMPLE: &[&str] = &["installation_target"];
    for row in EVENTS.iter().filter(|row| !WITHOUT_EXAMPLE.contains(&row.name)) {
        assert!(understood.get(row.name).is_some_and(|n| *n > 0), "no example of {} was read", row.name);
    }
}
