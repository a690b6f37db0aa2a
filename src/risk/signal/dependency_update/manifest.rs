//! Versions in the changed lines of dependency manifests: one reader for a line of each format, over the hunk's
//! context to know the section.

use std::collections::BTreeMap;

use super::{Move, version};
use crate::risk::patch::{LineKind, Patch, Piece};

/// A package with its version as a line of a manifest names it.
struct Entry<'a> {
    package: String,
    version: &'a str,
    development: bool,
}

/// Packages whose version differs between the deleted and the added lines of a manifest.
pub(super) fn moves(path: &str, patch: &Patch) -> Vec<Move> {
    let format = Format::of(path);
    let mut section = Section { development: format.development_file, ..Section::default() };
    let mut old: BTreeMap<String, String> = BTreeMap::new();
    let mut new: Vec<(String, String, bool)> = Vec::new();
    for piece in patch.pieces() {
        match piece {
            Piece::Hunk(heading) => section = Section::of(heading, &format),
            Piece::Line(line) => {
                section.pass(line.text, &format);
                let Some(entry) = format.read(line.text, &section) else { continue };
                match line.kind {
                    LineKind::Added => new.push((entry.package, entry.version.to_owned(), entry.development)),
                    LineKind::Deleted => {
                        old.insert(entry.package, entry.version.to_owned());
                    }
                    LineKind::Context => {}
                }
            }
        }
    }
    let moved = |(package, to, development): (String, String, bool)| {
        // What is new or gone does not move, and what only moved within the file did not either.
        let from = old.remove(&package).filter(|from| *from != to)?;
        let step = version::step(&from, &to);
        Some(Move { package, from: Some(from), to: Some(to), step, development })
    };
    new.into_iter().filter_map(moved).collect()
}

/// How a manifest is written.
struct Format {
    style: Style,
    /// The whole file is for development.
    development_file: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// `name = "1.2"`, `name = { version = "1.2" }`, sections in brackets; also "name>=1.2" in lists.
    Toml,
    /// `"name": "^1.2"`.
    Json,
    /// `name v1.2.3`.
    GoMod,
    /// `name==1.2.3`.
    Requirements,
    /// `gem "name", "~> 1.2"`.
    Ruby,
    /// `<artifactId>`, `<version>`; `Include="…" Version="…"`.
    Xml,
    /// `implementation "group:name:1.2"`.
    Gradle,
    /// `{:name, "~> 1.2"}`.
    Elixir,
    /// `name: ^1.2`.
    Yaml,
}

/// Where in the manifest a line stands.
#[derive(Default)]
struct Section {
    /// `dev-dependencies`, `tool.poetry.group.dev.dependencies`; empty when it is not in sight.
    name: String,
    development: bool,
    /// Package that the lines around speak of, in formats that spread one over several lines.
    package: String,
}

impl Section {
    fn of(heading: &str, format: &Format) -> Self {
        let mut section = Self { development: format.development_file, ..Self::default() };
        section.pass(heading, format);
        section
    }

    /// Takes a line in that may open a section.
    fn pass(&mut self, line: &str, format: &Format) {
        let trimmed = line.trim();
        let opened = match format.style {
            Style::Toml if trimmed.starts_with('[') && trimmed.ends_with(']') => Some(trimmed.trim_matches(['[', ']'])),
            Style::Toml => trimmed.strip_suffix('[').map(|key| key.trim_end_matches([' ', '='])),
            Style::Json => trimmed.strip_suffix('{').map(|key| key.trim_matches(['"', ':', ' '])),
            Style::Ruby => trimmed.strip_prefix("group ").map(|group| group.trim_end_matches(" do")),
            Style::Yaml if !line.starts_with(' ') => trimmed.strip_suffix(':'),
            _ => None,
        };
        if let Some(name) = opened {
            self.name = name.to_ascii_lowercase();
            self.development = format.development_file || is_development(&self.name);
            // `[dependencies.serde]` spreads one package over the lines below.
            let package = name.rsplit_once("dependencies.").map_or("", |(_, package)| package);
            self.package = package.to_owned();
        } else if format.style == Style::Ruby && line.starts_with("end") {
            self.development = format.development_file;
        } else if let Some(artifact) = between(trimmed, "<artifactId>", "</artifactId>") {
            self.package = artifact.to_owned();
        } else if trimmed == "<scope>test</scope>" {
            self.development = true;
        } else if trimmed.starts_with("<dependency>") {
            self.development = format.development_file;
        }
    }

    /// Sections that hold something else than dependencies: the package's own version, engines, scripts.
    fn is_foreign(&self) -> bool {
        let name = self.name.as_str();
        matches!(
            name,
            "package" | "project" | "tool.poetry" | "workspace.package" | "scripts" | "engines" | "volta" | "config"
        ) || name.starts_with("package.metadata")
            || name.starts_with("profile")
            || name == "features"
    }
}

fn is_development(section: &str) -> bool {
    section.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| {
        matches!(
            word,
            "dev" | "develop" | "development" | "devdependencies" | "test" | "tests" | "lint" | "docs" | "build"
        )
    })
}

fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    text.split_once(open)?.1.split_once(close).map(|(inner, _)| inner.trim())
}

impl Format {
    fn of(path: &str) -> Self {
        let lower = path.to_ascii_lowercase();
        let name = lower.rsplit('/').next().unwrap_or(&lower);
        let extension = name.rsplit('.').next().unwrap_or_default();
        let style = match (name, extension) {
            ("go.mod" | "go.work", _) => Style::GoMod,
            ("pipfile", _) | (_, "toml") => Style::Toml,
            ("gemfile" | "podfile", _) | (_, "gemspec") => Style::Ruby,
            ("mix.exs", _) => Style::Elixir,
            (_, "json" | "jsonc") => Style::Json,
            (_, "xml" | "csproj" | "fsproj" | "vbproj" | "props" | "config") => Style::Xml,
            (_, "gradle" | "kts" | "sbt" | "swift") => Style::Gradle,
            (_, "yaml" | "yml") => Style::Yaml,
            _ => Style::Requirements,
        };
        let development_file = style == Style::Requirements && is_development(name.trim_end_matches(".txt"));
        Self { style, development_file }
    }

    fn read<'a>(&self, line: &'a str, section: &Section) -> Option<Entry<'a>> {
        if section.is_foreign() || line.len() > 1_000 {
            return None;
        }
        let line = line.trim();
        let (package, version) = match self.style {
            Style::Toml => toml(line, section)?,
            Style::Json => pair(line, '"', ':')?,
            Style::GoMod => go_mod(line)?,
            Style::Requirements => requirement(line)?,
            Style::Ruby => ruby(line)?,
            Style::Xml => xml(line, section)?,
            Style::Gradle => gradle(line)?,
            Style::Elixir => pair(line.strip_prefix('{')?, ' ', ',')?,
            Style::Yaml => yaml(line)?,
        };
        let own = package == "version" || package.is_empty();
        (!own && version::is_version(version)).then(|| Entry {
            development: section.development || self.marks_development(line),
            package,
            version,
        })
    }

    /// Lines that say of themselves that they are for development.
    fn marks_development(&self, line: &str) -> bool {
        match self.style {
            Style::Gradle => line.starts_with("test") || line.starts_with("androidTest") || line.contains("% Test"),
            Style::Ruby => line.contains("add_development_dependency") || line.contains("group: :test"),
            Style::Elixir => line.contains("only:"),
            _ => false,
        }
    }
}

/// `"name": "1.2"` and `:name, "1.2"`: a name, a sign, a version in quotes.
fn pair(line: &str, quote: char, sign: char) -> Option<(String, &str)> {
    let (name, rest) = line.split_once(sign).filter(|(name, _)| !name.is_empty()).or_else(|| {
        let rest = line.strip_prefix(sign)?;
        rest.split_once(sign)
    })?;
    let name = name.trim().trim_matches(quote).trim_start_matches(':');
    Some((name.to_owned(), quoted(rest)?))
}

/// The first text in quotes.
fn quoted(text: &str) -> Option<&str> {
    let open = text.find(['"', '\''])?;
    let quote = text[open..].chars().next()?;
    text[open + 1..].split(quote).next()
}

fn toml<'a>(line: &'a str, section: &Section) -> Option<(String, &'a str)> {
    // "name>=1.2" in a list.
    if line.starts_with(['"', '\'']) && !line.contains(" = ") {
        return requirement(quoted(line)?);
    }
    let (key, value) = line.split_once('=')?;
    let key = key.trim().trim_matches('"');
    let version = match value.trim() {
        table if table.starts_with('{') => quoted(table.split_once("version")?.1)?,
        value => quoted(value)?,
    };
    let package = if key == "version" { section.package.clone() } else { key.to_owned() };
    Some((package, version))
}

/// A new major version of a Go module is another path, `x/v3`; it is the same package to us.
fn go_mod(line: &str) -> Option<(String, &str)> {
    let line = line.strip_prefix("require ").unwrap_or(line);
    let mut words = line.split_whitespace();
    let (path, version) = (words.next()?, words.next()?);
    let is_major = |last: &str| last.strip_prefix('v').is_some_and(|number| number.parse::<u32>().is_ok());
    let name = path.rsplit_once('/').filter(|(_, last)| is_major(last)).map_or(path, |(name, _)| name);
    version.starts_with('v').then(|| (name.to_owned(), version))
}

fn requirement(line: &str) -> Option<(String, &str)> {
    let line = line.split([';', '#']).next()?.trim();
    let at = line.find(['=', '<', '>', '~', '!', '@'])?;
    let name = line[..at].split('[').next()?.trim();
    let version = line[at..].split(" --").next()?.trim().trim_start_matches('@').trim();
    (!name.is_empty() && !name.contains(' ')).then(|| (name.to_ascii_lowercase(), version))
}

fn ruby(line: &str) -> Option<(String, &str)> {
    let names = line.starts_with("gem") || line.starts_with("pod") || line.contains("_dependency");
    let (first, rest) = line.split_once(',').filter(|_| names)?;
    Some((quoted(first)?.to_owned(), quoted(rest)?))
}

fn xml<'a>(line: &'a str, section: &Section) -> Option<(String, &'a str)> {
    if let Some(package) = between(line, "Include=\"", "\"").or_else(|| between(line, " id=\"", "\"")) {
        let version = between(line, "Version=\"", "\"").or_else(|| between(line, "version=\"", "\""))?;
        return Some((package.to_owned(), version));
    }
    if let Some(version) = between(line, "<version>", "</version>") {
        return Some((section.package.clone(), version));
    }
    // <jackson.version>2.15.0</jackson.version>
    let (name, rest) = line.strip_prefix('<')?.split_once('>')?;
    let name = name.strip_suffix(".version").or_else(|| name.strip_suffix("-version"))?;
    Some((name.to_owned(), rest.split('<').next()?))
}

fn gradle(line: &str) -> Option<(String, &str)> {
    if let Some((plugin, rest)) = line.split_once(" version ") {
        return Some((quoted(plugin)?.to_owned(), quoted(rest)?));
    }
    // sbt: "group" %% "name" % "1.2"; Swift: .package(url: "…", from: "1.2")
    if let Some((name, rest)) = line.rsplit_once(" % \"").filter(|(name, _)| name.contains('%')) {
        return Some((name.rsplit('%').next().and_then(quoted)?.to_owned(), rest.split('"').next()?));
    }
    if let Some((name, rest)) = line.split_once("from:").filter(|_| line.contains("url:")) {
        return Some((quoted(name)?.to_owned(), quoted(rest)?));
    }
    let (name, version) = quoted(line)?.rsplit_once(':')?;
    Some((name.to_owned(), version))
}

fn yaml(line: &str) -> Option<(String, &str)> {
    let (name, version) = line.split_once(':')?;
    let version = version.split('#').next()?.trim().trim_matches(['"', '\'']);
    Some((name.trim_start_matches("- ").trim().to_owned(), version))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, body: &str, expected: &str) {
        let count = |sign: char| body.lines().filter(|line| line.starts_with([sign, ' '])).count();
        let patch = Patch(format!("@@ -1,{} +1,{} @@\n{body}", count('-'), count('+')).into());
        let show = |moved: &Move| {
            let (from, to) = (moved.from.as_deref().unwrap_or("-"), moved.to.as_deref().unwrap_or("-"));
            let step = moved.step.map_or("?", version::Step::word);
            format!("{} {from} {to} {step}{}", moved.package, if moved.development { " dev" } else { "" })
        };
        let shown: Vec<String> = moves(path, &patch).iter().map(show).collect();
        assert_eq!(shown.join("; "), expected, "{path}\n{body}");
    }

    #[test]
    fn formats() {
        check("Cargo.toml", " [dependencies]\n-serde = \"1.0.1\"\n+serde = \"1.1.0\"", "serde 1.0.1 1.1.0 minor");
        check(
            "Cargo.toml",
            " [dev-dependencies]\n-insta = { version = \"1.0\", features = [\"x\"] }\n+insta = { version = \"2.0\", features = [\"x\"] }",
            "insta 1.0 2.0 major dev",
        );
        check("Cargo.toml", " [package]\n-version = \"1.0.0\"\n+version = \"2.0.0\"", "");
        check("Cargo.toml", " [dependencies.a]\n-version = \"1.0.0\"\n+version = \"2.0.0\"", "a 1.0.0 2.0.0 major");
        check(
            "package.json",
            "   \"dependencies\": {\n-    \"react\": \"^17.0.2\",\n+    \"react\": \"^18.0.0\",",
            "react ^17.0.2 ^18.0.0 major",
        );
        check(
            "package.json",
            "   \"devDependencies\": {\n-    \"@t/jest\": \"~1.2.3\"\n+    \"@t/jest\": \"~1.2.4\"",
            "@t/jest ~1.2.3 ~1.2.4 patch dev",
        );
        check("package.json", "-  \"version\": \"1.0.0\",\n+  \"version\": \"2.0.0\",", "");
        check("package.json", "   \"scripts\": {\n-    \"a\": \"1.0\",\n+    \"a\": \"2.0\",", "");
        check(
            "go.mod",
            "-\tgithub.com/a/b/v2 v2.1.0\n+\tgithub.com/a/b/v3 v3.0.0 // indirect",
            "github.com/a/b v2.1.0 v3.0.0 major",
        );
        check(
            "requirements-dev.txt",
            "-pytest[x]==7.0.0 # pinned\n+pytest[x]==7.1.0",
            "pytest ==7.0.0 ==7.1.0 minor dev",
        );
        check(
            "pyproject.toml",
            " dependencies = [\n-    \"httpx>=0.24\",\n+    \"httpx>=0.25\",",
            "httpx >=0.24 >=0.25 major",
        );
        check(
            "pyproject.toml",
            " [tool.poetry.group.dev.dependencies]\n-black = \"^23.1\"\n+black = \"^24.1\"",
            "black ^23.1 ^24.1 major dev",
        );
        check("Gemfile", "-gem \"rails\", \"~> 7.0.4\"\n+gem \"rails\", \"~> 7.1.0\"", "rails ~> 7.0.4 ~> 7.1.0 minor");
        check(
            "Gemfile",
            " group :development, :test do\n-  gem 'rspec', '3.1'\n+  gem 'rspec', '3.2'",
            "rspec 3.1 3.2 minor dev",
        );
        check(
            "pom.xml",
            " <dependency>\n <artifactId>guava</artifactId>\n-<version>31.0</version>\n+<version>32.0</version>",
            "guava 31.0 32.0 major",
        );
        check(
            "pom.xml",
            "-<jackson.version>2.15.0</jackson.version>\n+<jackson.version>2.15.1</jackson.version>",
            "jackson 2.15.0 2.15.1 patch",
        );
        check(
            "build.gradle.kts",
            "-    testImplementation(\"a.b:c:1.0.0\")\n+    testImplementation(\"a.b:c:1.0.1\")",
            "a.b:c 1.0.0 1.0.1 patch dev",
        );
        check(
            "composer.json",
            " \"require-dev\": {\n-\"phpunit/phpunit\": \"^9.5\"\n+\"phpunit/phpunit\": \"^10.0\"",
            "phpunit/phpunit ^9.5 ^10.0 major dev",
        );
        check(
            "A.csproj",
            "-<PackageReference Include=\"X.Y\" Version=\"1.0.0\" />\n+<PackageReference Include=\"X.Y\" Version=\"1.1.0\" />",
            "X.Y 1.0.0 1.1.0 minor",
        );
        check("mix.exs", "-      {:ecto, \"~> 3.9\"},\n+      {:ecto, \"~> 3.10\"},", "ecto ~> 3.9 ~> 3.10 minor");
        check("pubspec.yaml", " dependencies:\n-  http: ^0.13.5\n+  http: ^1.0.0", "http ^0.13.5 ^1.0.0 major");
    }

    #[test]
    fn what_does_not_move_is_no_move() {
        check("package.json", "+    \"new\": \"^1.0.0\",", "");
        check("package.json", "-    \"gone\": \"^1.0.0\",", "");
        check("package.json", "-    \"a\": \"^1.0.0\",\n+    \"b\": \"^2.0.0\",", "");
        check("package.json", "-    \"a\": \"^1.0.0\"\n+    \"a\": \"^1.0.0\",", "");
        check("package.json", "-    \"a\": \"git+ssh://x\",\n+    \"a\": \"git+ssh://y\",", "");
        check("Cargo.toml", "-\n+=\n+[[", "");
        check("go.mod", "-é\n+é é", "");
    }
}
