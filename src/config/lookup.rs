//! One setting out of several sources: flag before environment before file before default.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use secrecy::SecretString;
use toml::de::{DeTable, DeValue};

use super::{
    ConfigError, nearest,
    settings::{SETTINGS, Setting},
    value::Expected,
};

/// More than any settings file or key needs; a mistaken path to something huge is refused.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Where settings are read from. Tests give their own environment; nothing here touches the process's.
pub struct ConfigSources<'a> {
    /// Settings file; `None` reads none.
    pub file: Option<PathBuf>,
    /// Values given by flags, keyed by the setting's environment variable.
    pub flags: Vec<(&'static str, String)>,
    /// Looks up an environment variable. An empty value counts as not set.
    pub env: &'a dyn Fn(&str) -> Option<String>,
}

/// Where a secret was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretPlace {
    /// In the environment.
    Environment,
    /// In the settings file itself.
    SettingsFile,
    /// In a file of its own.
    File(PathBuf),
}

/// All sources, read.
pub(super) struct Lookup<'a> {
    flags: Vec<(&'static str, String)>,
    env: &'a dyn Fn(&str) -> Option<String>,
    file: BTreeMap<String, FileValue>,
    file_name: String,
    /// The settings file, and the files that secrets were read from.
    secret_files: RefCell<Vec<PathBuf>>,
}

struct FileValue {
    text: String,
    line: usize,
}

/// A value and where it was found, in words.
struct Found {
    text: String,
    place: String,
}

impl<'a> Lookup<'a> {
    pub(super) fn new(sources: ConfigSources<'a>) -> Result<Self, ConfigError> {
        let file_name = sources.file.as_deref().map(|path| path.display().to_string()).unwrap_or_default();
        let file = match &sources.file {
            Some(path) => parse_file(&read(path, "the settings file")?, &file_name)?,
            None => BTreeMap::new(),
        };
        let secret_files = RefCell::new(sources.file.into_iter().collect());
        Ok(Self { flags: sources.flags, env: sources.env, file, file_name, secret_files })
    }

    /// A setting that has a default.
    pub(super) fn required<T>(&self, env: &str, parse: impl Fn(&str) -> Result<T, Expected>) -> Result<T, ConfigError> {
        let default = setting(env).default.expect("a required setting has a default");
        match self.optional(env, &parse)? {
            Some(value) => Ok(value),
            None => Ok(parse(default).expect("defaults are valid")),
        }
    }

    /// A setting that may be left out.
    pub(super) fn optional<T>(
        &self,
        env: &str,
        parse: impl Fn(&str) -> Result<T, Expected>,
    ) -> Result<Option<T>, ConfigError> {
        let setting = setting(env);
        let Some(found) = self.find(setting.env, setting.key) else { return Ok(None) };
        parse(&found.text).map(Some).map_err(|expected| {
            ConfigError::new(
                format!("{} is {}, which is not usable", found.place, shown(&found.text)),
                format!("{env} must be {expected}"),
            )
        })
    }

    /// A secret, given as itself or as a file. Within one source it may be given in one way only.
    pub(super) fn secret(&self, env: &str) -> Result<Option<SecretString>, ConfigError> {
        let setting = setting(env);
        let (env_file, key_file) = (format!("{env}_FILE"), format!("{}_file", setting.key));
        let in_env = (self.in_environment(env), self.in_environment(&env_file));
        let in_file = (self.in_file(setting.key), self.in_file(&key_file));
        for (direct, as_file) in [in_env, in_file] {
            match (direct, as_file) {
                (Some(direct), Some(as_file)) => {
                    return Err(ConfigError::new(
                        format!("Both {} and {} are set", direct.place, as_file.place),
                        "remove one of them",
                    ));
                }
                (Some(direct), None) => return Ok(Some(direct.text.into())),
                (None, Some(as_file)) => {
                    self.secret_files.borrow_mut().push(PathBuf::from(&as_file.text));
                    return secret_file(&as_file).map(Some);
                }
                (None, None) => {}
            }
        }
        Ok(None)
    }

    /// Where a secret was found, if it is set. Looks where [`Self::secret`] does, in the same order.
    pub(super) fn place(&self, setting: &Setting) -> Option<SecretPlace> {
        let (env_file, key_file) = (format!("{}_FILE", setting.env), format!("{}_file", setting.key));
        let file = |found: Found| SecretPlace::File(PathBuf::from(found.text));
        let in_env = || self.in_environment(setting.env).map(|_| SecretPlace::Environment);
        let in_file = || self.in_file(setting.key).map(|_| SecretPlace::SettingsFile);
        in_env()
            .or_else(|| self.in_environment(&env_file).map(file))
            .or_else(in_file)
            .or_else(|| self.in_file(&key_file).map(file))
    }

    /// Files that hold, or may hold, the secrets asked for so far.
    pub(super) fn secret_files(&self) -> Vec<PathBuf> {
        self.secret_files.borrow().clone()
    }

    fn find(&self, env: &str, key: &str) -> Option<Found> {
        let flag = self
            .flags
            .iter()
            .find(|(name, _)| *name == env)
            .map(|(_, text)| Found { text: text.clone(), place: format!("--{}", key.replace(['_', '.'], "-")) });
        flag.or_else(|| self.in_environment(env)).or_else(|| self.in_file(key))
    }

    fn in_environment(&self, env: &str) -> Option<Found> {
        let text = (self.env)(env).filter(|text| !text.trim().is_empty())?;
        Some(Found { text, place: env.to_owned() })
    }

    fn in_file(&self, key: &str) -> Option<Found> {
        let value = self.file.get(key)?;
        Some(Found { text: value.text.clone(), place: format!("{key} ({} line {})", self.file_name, value.line) })
    }
}

fn setting(env: &str) -> &'static Setting {
    SETTINGS.iter().find(|setting| setting.env == env).expect("every setting asked for is in the table")
}

fn secret_file(found: &Found) -> Result<SecretString, ConfigError> {
    let text = read(Path::new(&found.text), &found.place)?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.trim().is_empty() {
        return Err(ConfigError::new(
            format!("{} names {:?}, which is empty", found.place, found.text),
            "write the secret into that file",
        ));
    }
    Ok(text.to_owned().into())
}

fn read(path: &Path, what: &str) -> Result<String, ConfigError> {
    let name = path.display();
    let refused =
        |why: &str| ConfigError::new(format!("Cannot read {name} ({what}): {why}"), "check path and permissions");
    // Devices and pipes have no end to wait for; a mounted secret is a regular file behind a link.
    let metadata = std::fs::metadata(path).map_err(|error| refused(&error.to_string()))?;
    if !metadata.is_file() {
        return Err(refused("it is not a regular file"));
    }
    if metadata.len() > FILE_BYTES_MAX {
        return Err(refused("it is larger than 1 MB"));
    }
    std::fs::read_to_string(path).map_err(|error| refused(&error.to_string()))
}

fn parse_file(text: &str, name: &str) -> Result<BTreeMap<String, FileValue>, ConfigError> {
    let line_at = |offset: usize| text[..offset.min(text.len())].matches('\n').count() + 1;
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map(|span| format!(" line {}", line_at(span.start))).unwrap_or_default();
        // The parser's own message is used without its excerpt: the line may hold a secret.
        ConfigError::new(
            format!("{name}{line} is not valid TOML: {}", error.message()),
            "quote texts, one key per line",
        )
    })?;
    let mut values = BTreeMap::new();
    flatten(table.get_ref(), "", &line_at, name, &mut values)?;
    Ok(values)
}

fn flatten(
    table: &DeTable<'_>,
    prefix: &str,
    line_at: &dyn Fn(usize) -> usize,
    name: &str,
    values: &mut BTreeMap<String, FileValue>,
) -> Result<(), ConfigError> {
    for (key, value) in table {
        let dotted = format!("{prefix}{}", key.get_ref());
        let line = line_at(key.span().start);
        if let DeValue::Table(inner) = value.get_ref()
            && is_group(&dotted)
        {
            flatten(inner, &format!("{dotted}."), line_at, name, values)?;
            continue;
        }
        if !is_known(&dotted) {
            return Err(unknown_key(&dotted, name, line));
        }
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.as_str().to_owned(),
            other => {
                return Err(ConfigError::new(
                    format!("{dotted} ({name} line {line}) is of type {}", other.type_str()),
                    "write it as a text in quotes or as a whole number",
                ));
            }
        };
        if text.trim().is_empty() {
            return Err(ConfigError::new(
                format!("{dotted} ({name} line {line}) is empty"),
                "give it a value or remove it",
            ));
        }
        values.insert(dotted, FileValue { text, line });
    }
    Ok(())
}

fn is_group(key: &str) -> bool {
    SETTINGS.iter().any(|setting| setting.key.split_once('.').is_some_and(|(group, _)| group == key))
}

fn is_known(key: &str) -> bool {
    SETTINGS.iter().any(|setting| {
        setting.key == key || (setting.secret && key.strip_suffix("_file").is_some_and(|key| key == setting.key))
    })
}

fn unknown_key(key: &str, name: &str, line: usize) -> ConfigError {
    let groups = SETTINGS.iter().filter_map(|setting| setting.key.split_once('.').map(|(group, _)| group));
    let keys = SETTINGS.iter().map(|setting| setting.key).chain(groups);
    // People also try the environment variable's name.
    let by_env = SETTINGS.iter().find(|setting| setting.env.eq_ignore_ascii_case(key)).map(|setting| setting.key);
    let hint = match by_env.or_else(|| nearest(key, keys)) {
        Some(meant) => format!("did you mean {meant}?"),
        None => {
            let mut hint = "the keys are".to_owned();
            for (index, setting) in SETTINGS.iter().enumerate() {
                let comma = if index == 0 { "" } else { "," };
                write!(hint, "{comma} {}", setting.key).expect("writing to a String cannot fail");
            }
            hint
        }
    };
    ConfigError::new(format!("{name} line {line} has the unknown key {:?}", shortened(key)), hint)
}

/// A value that cannot be used, unless it may hold a password (`scheme://user:password@host`).
fn shown(text: &str) -> String {
    if text.contains('@') { "a value that may hold a password".to_owned() } else { format!("{:?}", shortened(text)) }
}

/// Enough of a text to recognise it.
fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 80;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
