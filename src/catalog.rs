//! Which services a change is for: what the catalogue of services and the policy file say of paths, by the rules that
//! Datadog states for DORA Metrics and for code locations. A file may belong to several services, and to none.

use std::collections::{BTreeMap, BTreeSet};

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

use crate::risk::facts::{Says, ServiceFile, TargetService};

/// Files of one service that are named with what says so.
const FILES_NAMED: usize = 20;
/// Patterns of one service; more are left out.
const PATTERNS_MAX: usize = 200;

/// A service, as the catalogue describes it in whatever version of its schema. All text in it is untrusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Globs from a repository's root that were given for DORA Metrics. They name no repository.
    pub source_patterns: Vec<String>,
    /// Its links, those to repositories among them.
    pub links: Vec<Link>,
    /// Where an entity says that its code is.
    pub code_locations: Vec<CodeLocation>,
    /// Repositories that its deployments came from.
    pub deployed_from: Vec<String>,
}

/// A link of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// What it is called.
    pub name: String,
    /// `repo` is the kind that counts.
    pub kind: String,
    /// Where it leads.
    pub url: String,
}

/// Where code of a service is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CodeLocation {
    /// Address of the repository.
    pub repository: String,
    /// Globs from its root; none is all of it.
    pub paths: Vec<String>,
}

/// The repository that a change is made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repository<'a> {
    /// Host of its pages, such as `github.com`.
    pub host: &'a str,
    /// `owner/name`.
    pub full_name: &'a str,
    /// Branch that links without another one mean: the one that the change would be merged into.
    pub branch: &'a str,
}

/// Host and `owner/name` of an address of a repository, in lower case, without what it may hold of a password.
pub fn repository_of(address: &str) -> Option<(String, String)> {
    let (host, full_name) =
        place(address, "")?.repository.split_once('/').map(|(a, b)| (a.to_owned(), b.to_owned()))?;
    Some((host, full_name))
}

/// Services by name, of records of which several may be of one: only together they say what counts for it.
pub fn merged(records: impl Iterator<Item = Service>) -> Vec<Service> {
    let mut services: BTreeMap<String, Service> = BTreeMap::new();
    for record in records {
        let Service { name, source_patterns, links, code_locations, deployed_from } = record;
        let service = services.entry(name.clone()).or_insert_with(|| Service { name, ..Service::default() });
        service.source_patterns.extend(source_patterns);
        service.links.extend(links);
        service.code_locations.extend(code_locations);
        service.deployed_from.extend(deployed_from);
    }
    services.into_values().collect()
}

/// The patterns of all services that touch one repository.
#[derive(Debug)]
pub struct Claims {
    globs: GlobSet,
    /// What each of the patterns is, in their order.
    claims: Vec<Claim>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    service: String,
    says: Says,
    pattern: String,
}

impl Claims {
    /// What the catalogue says of a repository, and what its policy file declares besides.
    pub fn of(catalogue: &[Service], declared: &BTreeMap<String, Vec<String>>, repository: Repository<'_>) -> Self {
        let mut all = BTreeSet::new();
        for (service, patterns) in declared {
            all.extend(patterns.iter().map(|pattern| Claim {
                service: service.clone(),
                says: Says::Policy,
                pattern: rooted(pattern),
            }));
        }
        for service in catalogue {
            let claims = claims(service, repository).into_iter().take(PATTERNS_MAX);
            all.extend(claims.map(|(says, pattern)| Claim { service: service.name.clone(), says, pattern }));
        }
        let mut set = GlobSetBuilder::new();
        let mut claims = Vec::new();
        for claim in all {
            if let Some(glob) = glob(&claim.pattern) {
                set.add(glob);
                claims.push(claim);
            }
        }
        match set.build() {
            Ok(globs) => Self { globs, claims },
            // Too large together: then none of them is known to match.
            Err(_) => Self { globs: GlobSet::empty(), claims: Vec::new() },
        }
    }

    /// The services of the changed files, by name, each with its files. A moved file belongs to where it was as well.
    pub fn targets<'a>(&self, files: impl Iterator<Item = (&'a str, Option<&'a str>)>) -> Vec<TargetService> {
        let mut targets: BTreeMap<&str, TargetService> = BTreeMap::new();
        for (path, before) in files {
            let mut own: BTreeSet<usize> = self.globs.matches(path).into_iter().collect();
            own.extend(before.into_iter().flat_map(|before| self.globs.matches(before)));
            let mut seen: BTreeSet<&str> = BTreeSet::new();
            // Of several claims the first in order is named: the policy's, then the catalogue's.
            for claim in own.into_iter().map(|number| &self.claims[number]) {
                if !seen.insert(&claim.service) {
                    continue;
                }
                let target = targets.entry(&claim.service).or_insert_with(|| TargetService {
                    name: claim.service.clone(),
                    env: None,
                    files: Vec::new(),
                    files_total: 0,
                });
                target.files_total += 1;
                if target.files.len() < FILES_NAMED {
                    let (path, pattern) = (path.to_owned(), claim.pattern.clone());
                    target.files.push(ServiceFile { path, pattern, says: claim.says });
                }
            }
        }
        targets.into_values().collect()
    }
}

/// What one service claims of a repository. Source patterns, where there are any, are all that counts.
fn claims(service: &Service, repository: Repository<'_>) -> Vec<(Says, String)> {
    let ours = key(&format!("{}/{}", repository.host, repository.full_name));
    let links: Vec<Place> = service
        .links
        .iter()
        .filter(|link| is_source(link, &service.name))
        .filter_map(|link| place(&link.url, repository.branch))
        .collect();
    if !service.source_patterns.is_empty() {
        let located = service.code_locations.iter().map(|location| &location.repository);
        let named: BTreeSet<String> = located
            .chain(&service.deployed_from)
            .filter_map(|address| Some(place(address, repository.branch)?.repository))
            .chain(links.into_iter().map(|link| link.repository))
            .collect();
        // They name no repository: in one that nothing else names they would match by accident.
        let patterns = service.source_patterns.iter().filter(|_| named.contains(&ours));
        return patterns.map(|pattern| (Says::SourcePatterns, rooted(pattern))).collect();
    }
    let mut claimed = Vec::new();
    for link in links.into_iter().filter(|link| link.repository == ours) {
        claimed.push((Says::RepositoryLink, link.folder.map_or_else(whole, |folder| below(&folder))));
    }
    for location in &service.code_locations {
        let Some(place) = place(&location.repository, repository.branch).filter(|place| place.repository == ours)
        else {
            continue;
        };
        if location.paths.is_empty() {
            claimed.push((Says::CodeLocation, place.folder.map_or_else(whole, |folder| below(&folder))));
        }
        claimed.extend(location.paths.iter().map(|path| (Says::CodeLocation, rooted(path))));
    }
    claimed
}

/// The link that says where the source is: a repository called so, or called as the service is. Repositories that a
/// definition lists by themselves have names of their own and are taken under any.
fn is_source(link: &Link, service: &str) -> bool {
    let named = link.name.eq_ignore_ascii_case("source") || link.name.eq_ignore_ascii_case(service);
    match link.kind.to_ascii_lowercase().as_str() {
        "repo" => named,
        "repository" => true,
        _ => false,
    }
}

/// All files of a repository.
fn whole() -> String {
    "**".to_owned()
}

fn below(folder: &str) -> String {
    format!("{}/**", globset::escape(folder))
}

/// A pattern from the repository's root; a folder stands for all that is below it.
fn rooted(pattern: &str) -> String {
    let pattern = pattern.trim_start_matches("./").trim_start_matches('/');
    if pattern.is_empty() || pattern.ends_with('/') { format!("{pattern}**") } else { pattern.to_owned() }
}

/// `*` stays within a directory, `**` does not.
fn glob(pattern: &str) -> Option<Glob> {
    GlobBuilder::new(pattern).literal_separator(true).build().ok()
}

/// Where an address leads.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    /// `host/owner/name`, lower case.
    repository: String,
    /// Folder in it, without slashes around it.
    folder: Option<String>,
}

/// Reads an address as GitHub writes it: `https://host/owner/name[.git][/tree/ref/folder]`, `git@host:owner/name.git` or
/// `host/owner/name`. Other forges have other hosts, so that what their addresses say of folders claims nothing here.
fn place(address: &str, branch: &str) -> Option<Place> {
    let address = address.trim().split(['?', '#']).next().filter(|address| !address.starts_with(['/', '.']))?;
    let address = match address.split_once("://") {
        Some((_, rest)) => rest.to_owned(),
        // The form that git takes for SSH.
        None => address.replacen(':', "/", 1),
    };
    let (authority, path) = address.split_once('/')?;
    // Without what says who asks, and without a port, as the host of GitHub's pages is told.
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    let (owner, name) = (segments.next()?, segments.next()?);
    if host.is_empty() {
        return None;
    }
    let repository = key(&format!("{host}/{owner}/{name}"));
    let rest: Vec<String> = segments.map(decoded).collect();
    let folder = match rest.split_first() {
        None => None,
        Some((kind, below)) if kind == "tree" => folder(&below.join("/"), branch),
        // A file, a pull request, a page of settings: no folder, and not the repository either.
        Some(_) => return None,
    };
    Some(Place { repository, folder })
}

/// `ref/folder`: a branch may have slashes in its name, so the one that is known is tried first.
fn folder(rest: &str, branch: &str) -> Option<String> {
    let after = |known: &str| rest.strip_prefix(known).filter(|after| after.is_empty() || after.starts_with('/'));
    let folder = match after(branch).filter(|_| !branch.is_empty()) {
        Some(after) => after.trim_start_matches('/'),
        None => rest.split_once('/').map_or("", |(_, folder)| folder),
    };
    (!folder.is_empty()).then(|| folder.to_owned())
}

/// A repository as it is compared: without case and without what may be left off.
fn key(repository: &str) -> String {
    let lower = repository.trim_end_matches('/').to_lowercase();
    lower.strip_suffix(".git").unwrap_or(&lower).to_owned()
}

/// A path segment without percent signs; as it stands where that is not UTF-8.
fn decoded(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = (*first == b'%').then(|| after.get(..2)).flatten().and_then(|two| std::str::from_utf8(two).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| segment.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HERE: Repository<'_> = Repository { host: "github.com", full_name: "Acme/Shop", branch: "main" };

    fn link(name: &str, kind: &str, url: &str) -> Service {
        let link = Link { name: name.into(), kind: kind.into(), url: url.into() };
        Service { name: "payments-api".into(), links: vec![link], ..Service::default() }
    }

    /// The services of a path as `service: what says so, pattern`.
    fn check(services: &[Service], path: &str, expected: &[&str]) {
        let claims = Claims::of(services, &BTreeMap::new(), HERE);
        let found = claims.targets([(path, None)].into_iter());
        let found: Vec<String> = found
            .iter()
            .flat_map(|target| {
                target.files.iter().map(|file| format!("{}: {:?} {}", target.name, file.says, file.pattern))
            })
            .collect();
        assert_eq!(found, expected, "{path}");
    }

    #[test]
    fn source_patterns_are_all_that_counts() {
        let mut service = link("Source", "repo", "https://github.com/acme/shop/tree/main/apps/pay");
        service.source_patterns = vec!["/apps/payments/**".into(), "libs/*.rs".into(), "db/".into()];
        let services = [service];
        check(&services, "apps/payments/src/a.rs", &["payments-api: SourcePatterns apps/payments/**"]);
        check(&services, "libs/money.rs", &["payments-api: SourcePatterns libs/*.rs"]);
        check(&services, "libs/money/src.rs", &[]);
        check(&services, "db/pay/1.sql", &["payments-api: SourcePatterns db/**"]);
        check(&services, "apps/pay/a.rs", &[]);
    }

    #[test]
    fn source_patterns_need_a_repository_from_elsewhere() {
        let bare = Service { name: "pay".into(), source_patterns: vec!["**".into()], ..Service::default() };
        check(std::slice::from_ref(&bare), "a.rs", &[]);
        let deployed = Service { deployed_from: vec!["github.com/acme/shop".into()], ..bare.clone() };
        check(&[deployed], "a.rs", &["pay: SourcePatterns **"]);
        let location = CodeLocation { repository: "https://github.com/acme/other.git".into(), paths: Vec::new() };
        check(&[Service { code_locations: vec![location], ..bare }], "a.rs", &[]);
    }

    #[test]
    fn what_several_records_say_of_a_service_counts_together() {
        let patterns =
            Service { name: "pay".into(), source_patterns: vec!["apps/pay/**".into()], ..Service::default() };
        let mut linked = link("Source", "repo", "https://github.com/acme/shop");
        linked.name = "pay".into();
        for records in [[patterns.clone(), linked.clone()], [linked, patterns]] {
            let services = merged(records.into_iter());
            check(&services, "apps/pay/a.rs", &["pay: SourcePatterns apps/pay/**"]);
            check(&services, "apps/web/a.rs", &[]);
        }
    }

    #[test]
    fn a_link_to_the_source_claims_a_folder_or_all() {
        let claims = |name: &str, kind: &str, url: &str| {
            let claims = Claims::of(&[link(name, kind, url)], &BTreeMap::new(), HERE);
            claims.claims.iter().map(|claim| claim.pattern.clone()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(claims("Source", "repo", "https://github.com/acme/shop/tree/main/apps/pay"), "apps/pay/**");
        assert_eq!(claims("PAYMENTS-API", "repo", "https://github.com/Acme/shop.git/"), "**");
        assert_eq!(claims("anything", "repository", "git@github.com:acme/shop.git"), "**");
        assert_eq!(claims("source", "repo", "https://github.com/acme/shop/tree/v2/apps%20x/pay"), "apps x/pay/**");
        assert_eq!(claims("source", "repo", "https://github.com/acme/shop/tree/main"), "**");
        let scoped = "https://github.com/acme/shop/tree/main/packages/@acme/web";
        assert_eq!(claims("source", "repo", scoped), "packages/@acme/web/**");
        assert_eq!(claims("source", "repo", "https://bob:p@github.com:8443/acme/shop/tree/main/a"), "a/**");
        for (name, kind, url) in [
            ("Runbook", "repo", "https://github.com/acme/shop"),
            ("Source", "doc", "https://github.com/acme/shop"),
            ("Source", "repo", "https://github.com/acme/shop/blob/main/README.md"),
            ("Source", "repo", "https://github.com/acme/other/tree/main/apps"),
            ("Source", "repo", "https://gitlab.com/acme/shop/-/tree/main/apps?ref_type=heads"),
            ("Source", "repo", "https://dev.azure.com/acme/shop/_git/shop?path=/apps"),
            ("Source", "repo", "not an address"),
        ] {
            assert_eq!(claims(name, kind, url), "", "{url}");
        }
    }

    #[test]
    fn a_branch_with_a_slash_is_known_by_its_name() {
        let folder = |branch: &str| super::folder("release/2.x/apps/pay", branch);
        assert_eq!(folder("release/2.x").as_deref(), Some("apps/pay"));
        assert_eq!(folder("release").as_deref(), Some("2.x/apps/pay"));
        assert_eq!(folder("main").as_deref(), Some("2.x/apps/pay"));
        assert_eq!(folder("release/2.x/apps/pay"), None);
        let address = "https://x-access-token:secret@GitHub.com/Acme/Shop.git";
        assert_eq!(repository_of(address), Some(("github.com".to_owned(), "acme/shop".to_owned())));
        assert_eq!(repository_of("/srv/git/shop"), None);
    }

    #[test]
    fn code_locations_and_policy_stand_beside_links() {
        let location = |repository: &str, paths: &[&str]| CodeLocation {
            repository: repository.into(),
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        };
        let mut service = link("Source", "repo", "https://github.com/acme/shop/tree/main/web");
        service.code_locations =
            vec![location("https://github.com/acme/shop", &["api/**", "*.toml"]), location("github.com/acme/x", &[])];
        let other = Service {
            name: "shop".into(),
            code_locations: vec![location("HTTPS://GitHub.com/ACME/Shop/", &[])],
            ..Service::default()
        };
        let services = [service, other];
        check(&services, "api/a.rs", &["payments-api: CodeLocation api/**", "shop: CodeLocation **"]);
        check(&services, "web/a.rs", &["payments-api: RepositoryLink web/**", "shop: CodeLocation **"]);
        // As in the catalogue: from the root, and a folder stands for all below.
        let declared = BTreeMap::from([("payments-api".to_owned(), vec!["/web/".to_owned(), "[".to_owned()])]);
        let claims = Claims::of(&services, &declared, HERE);
        let targets = claims.targets([("web/a.rs", None), ("new/b.rs", Some("api/b.rs")), ("c.rs", None)].into_iter());
        let told: Vec<(&str, u64, Vec<Says>)> = targets
            .iter()
            .map(|target| {
                (target.name.as_str(), target.files_total, target.files.iter().map(|file| file.says).collect())
            })
            .collect();
        let all = vec![Says::CodeLocation; 3];
        assert_eq!(told, [("payments-api", 2, vec![Says::Policy, Says::CodeLocation]), ("shop", 3, all)]);
    }

    proptest! {
        #[test]
        fn hostile_catalogues_claim_within_bounds(
            name in any::<String>(),
            texts in proptest::collection::vec("(https://|git@|github.com|acme|shop|/|:|tree|main|%2|%20|\\*\\*|\\[|\\{|\u{e9}|\\PC){0,12}", 0..6),
            paths in proptest::collection::vec("[a-z/*]{0,10}|\\PC{0,6}", 1..40),
        ) {
            let links = texts.iter().map(|url| Link { name: "source".into(), kind: "repo".into(), url: url.clone() }).collect();
            let at = |repository: &String| CodeLocation { repository: repository.clone(), paths: texts.clone() };
            let service = Service {
                name, links, source_patterns: Vec::new(), code_locations: texts.iter().map(at).collect(), deployed_from: Vec::new(),
            };
            let claims = Claims::of(&[service], &BTreeMap::new(), HERE);
            for target in claims.targets(paths.iter().map(|path| (path.as_str(), None))) {
                prop_assert!(target.files.len() <= FILES_NAMED && target.files_total <= paths.len() as u64);
            }
        }
    }
}
