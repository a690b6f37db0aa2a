//! `/risk attribute` and `/risk unattribute`: a person says that a change was, or was not, what caused an incident. It wins
//! over what was found, and changes outcome and metrics with it.

use super::{
    Stop, Work,
    answers::{followed, told},
};
use crate::{
    deployment::attribution::{Correction, Target, Verdict},
    report::comment,
    service::{gather::outcomes::Named, number, outcomes},
    store::{CommandRow, Decision, Teller},
};

impl Work<'_> {
    /// Keeps what was said of the cause of an incident, if there is such an incident.
    pub(super) async fn corrects(
        &self,
        row: &CommandRow,
        incident: &str,
        caused: bool,
    ) -> Result<Decision<'static>, Stop> {
        let teller = Teller {
            repository_id: Some(row.given.repository_id),
            installation_id: Some(number(self.job.installation_id)),
        };
        let incident = match outcomes::incident_named(self.app, incident, teller).await? {
            Named::Known(incident) => incident,
            Named::Unknown => return Ok(told(comment::no_incident_of_that_name())),
            Named::Untold(missing) => return Ok(told(comment::incidents_untold(&missing))),
        };
        let repository = outcomes::repository(&self.app.links, &self.job.repository);
        let target = Target::PullRequest { repository, number: self.job.number };
        let correction = Correction {
            at: super::instant(row.given.asked_at),
            id: row.given.key.clone(),
            incident,
            verdict: if caused { Verdict::Attribute(target) } else { Verdict::Unattribute(target) },
        };
        let reply = if caused { comment::attributed() } else { comment::unattributed() };
        Ok(Decision { corrects: Some((correction, teller)), ..followed(reply) })
    }
}
