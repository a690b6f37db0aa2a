//! README and docs hang together: every relative link leads to a file, and to a heading where it names one.

use std::{fs, path::Path, process::Command};

use clap::CommandFactory;
use comrak::{Arena, Options, nodes::NodeValue, parse_document};
use mergecast::cli::Args;

/// Tracked Markdown files, from the repository's root.
fn documents() -> Vec<String> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.md"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("git runs");
    let listed = String::from_utf8(listed.stdout).expect("paths here are UTF-8");
    listed.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect()
}

/// Where the links and pictures of a text lead.
fn links(text: &str) -> Vec<String> {
    let arena = Arena::new();
    let root = parse_document(&arena, text, &Options::default());
    let attribute = regex::Regex::new(r#"(?:src|srcset|href)="([^"]+)""#).expect("a constant");
    let in_html = |html: &str| attribute.captures_iter(html).map(|found| found[1].to_owned()).collect::<Vec<_>>();
    let of = |node: &NodeValue| match node {
        NodeValue::Link(link) | NodeValue::Image(link) => vec![link.url.clone()],
        NodeValue::HtmlBlock(block) => in_html(&block.literal),
        NodeValue::HtmlInline(html) => in_html(html),
        _ => Vec::new(),
    };
    root.descendants().flat_map(|node| of(&node.data.borrow().value)).collect()
}

/// The anchors that GitHub gives the headings of a text.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    headings
        .map(|heading| heading.to_lowercase().chars().filter(|c| kept(*c)).collect::<String>().replace(' ', "-"))
        .collect()
}

/// What is wrong with a link of a document, if anything.
fn fault(root: &Path, document: &str, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let folder = Path::new(document).parent().unwrap_or(Path::new(""));
    let target = if path.is_empty() { root.join(document) } else { root.join(folder).join(path) };
    if !target.exists() {
        return Some(format!("{document}: {link} leads nowhere"));
    }
    let anchor = anchor?;
    let text = fs::read_to_string(&target).unwrap_or_default();
    (!anchors(&text).iter().any(|known| known == anchor)).then(|| format!("{document}: {link} names no heading"))
}

#[test]
fn links_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    let mut faults = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(root.join(&document)).expect("a document is text");
        let links = links(&text);
        seen += links.len();
        faults.extend(links.iter().filter_map(|link| fault(root, &document, link)));
    }
    assert!(seen > 10, "{seen} links were found");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    for page in ["docs/install.md", "docs/operate.md", "docs/security.md", "docs/upgrade.md"] {
        let readme = fs::read_to_string(root.join("README.md")).expect("README.md is text");
        assert!(links(&readme).iter().any(|link| link == page), "README.md does not lead to {page}");
    }
}

#[test]
fn commands_that_documents_name_exist() {
    let known: Vec<String> = Args::command().get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let named = regex::Regex::new(r"(?m)(?:`|^ {4}|^\$ |-- )mergecast ([a-z]+)\b").expect("a constant");
    let mut seen = 0;
    for document in documents() {
        let text =
            fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&document)).expect("a document is text");
        for found in named.captures_iter(&text) {
            seen += 1;
            assert!(known.iter().any(|name| *name == found[1]), "{document} names mergecast {}", &found[1]);
        }
    }
    assert!(seen > 10, "{seen} commands were found");
}

#[test]
fn a_broken_link_is_found() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let check = |link: &str, expected: bool| {
        assert_eq!(fault(root, "docs/measurements.md", link).is_some(), expected, "{link}");
    };
    check("../README.md", false);
    check("../README.md#limits", false);
    check("../README.md#no-such-heading", true);
    check("README.md", true);
    check("https://example.com/README.md", false);
    assert_eq!(links("[a](b.md) ![c](d.png)\n\n<img src=\"e.png\">\n\n`[f](g.md)`"), ["b.md", "d.png", "e.png"]);
}
