//! Datadog's sites: where an organisation's API and pages are, and what a site does not offer.

use url::Url;

/// A site, by its name: `datadoghq.com`, `us5.datadoghq.com` and so on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site(String);

impl Site {
    /// The site of this name, which the settings have checked.
    pub fn new(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Whether DORA Metrics is offered; on the government's sites it is not.
    pub fn has_dora(&self) -> bool {
        !self.0.ends_with("ddog-gov.com")
    }

    /// Where people look at an SLO.
    pub fn slo_page(&self, id: &str) -> Option<Url> {
        let mut url = self.pages(&["slo"])?;
        url.query_pairs_mut().append_pair("slo_id", id);
        Some(url)
    }

    /// Where people look at an incident.
    pub fn incident_page(&self, number: u64) -> Option<Url> {
        self.pages(&["incidents", &number.to_string()])
    }

    /// Where people look at a service.
    pub fn service_page(&self, name: &str) -> Option<Url> {
        self.pages(&["services", name])
    }

    /// A site with a word of its own before the domain is itself the address of the pages; the others have `app.` there.
    fn pages(&self, path: &[&str]) -> Option<Url> {
        let own_word = self.0.matches('.').count() > 1;
        let host = if own_word { self.0.clone() } else { format!("app.{}", self.0) };
        let mut url = Url::parse(&format!("https://{host}")).ok()?;
        url.path_segments_mut().ok()?.pop_if_empty().extend(path);
        Some(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_where_the_site_has_them() {
        let check = |site: &str, host: &str| {
            let site = Site::new(site);
            assert_eq!(site.incident_page(7).unwrap().as_str(), format!("https://{host}/incidents/7"));
        };
        check("datadoghq.com", "app.datadoghq.com");
        check("datadoghq.eu", "app.datadoghq.eu");
        check("us5.datadoghq.com", "us5.datadoghq.com");
        check("uk1.datadoghq.com", "uk1.datadoghq.com");
        check("ddog-gov.com", "app.ddog-gov.com");
        check("us2.ddog-gov.com", "us2.ddog-gov.com");
        let site = Site::new("datadoghq.com");
        assert_eq!(site.service_page("a/b?c").unwrap().as_str(), "https://app.datadoghq.com/services/a%2Fb%3Fc");
        assert_eq!(site.slo_page("a&b").unwrap().as_str(), "https://app.datadoghq.com/slo?slo_id=a%26b");
        assert!(site.has_dora() && !Site::new("us2.ddog-gov.com").has_dora());
    }
}
