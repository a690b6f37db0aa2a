//! Datadog's search syntax, as far as the simulator is asked in it: terms `key:value`, several values in brackets with
//! `OR` between them, values in quotes, `AND` or nothing between terms, and `*`.

/// A query: all terms have to fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Query(Vec<Term>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    key: String,
    values: Vec<String>,
}

impl Query {
    /// Reads a query; an error is Datadog's word for one that it does not understand.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut words = words(text)?.into_iter().peekable();
        let mut terms = Vec::new();
        while let Some(word) = words.next() {
            if word == "*" || word == "AND" {
                continue;
            }
            let (key, rest) = word.split_once(':').ok_or_else(|| format!("invalid query: {word}"))?;
            let mut values = vec![unquoted(rest)];
            if rest.is_empty() {
                values = bracketed(&mut words).ok_or_else(|| format!("invalid query: {key}"))?;
            }
            terms.push(Term { key: key.to_owned(), values });
        }
        Ok(Self(terms))
    }

    /// Whether something fits that has these values, by key. A key that nobody knows fits nothing.
    pub(super) fn fits(&self, value: impl Fn(&str) -> Vec<String>) -> bool {
        self.0.iter().all(|term| {
            let held = value(&term.key);
            term.values.iter().any(|wanted| held.iter().any(|held| held.eq_ignore_ascii_case(wanted)))
        })
    }
}

fn bracketed(words: &mut impl Iterator<Item = String>) -> Option<Vec<String>> {
    words.next().filter(|word| word == "(")?;
    let mut values = Vec::new();
    loop {
        match words.next()?.as_str() {
            ")" => return Some(values),
            "OR" => {}
            value => values.push(unquoted(value)),
        }
    }
}

fn unquoted(word: &str) -> String {
    let inner = word.strip_prefix('"').and_then(|word| word.strip_suffix('"')).unwrap_or(word);
    inner.replace("\\\"", "\"").replace("\\\\", "\\")
}

/// Words, with brackets as words of their own; quotes keep blanks together.
fn words(text: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut quoted, mut escaped) = (Vec::new(), String::new(), false, false);
    for c in text.chars() {
        match c {
            '"' if !escaped => {
                quoted = !quoted;
                word.push(c);
            }
            ' ' | '(' | ')' if !quoted => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                if c != ' ' {
                    words.push(c.to_string());
                }
            }
            c => word.push(c),
        }
        escaped = c == '\\' && !escaped;
    }
    if quoted {
        return Err(format!("invalid query: {text}"));
    }
    if !word.is_empty() {
        words.push(word);
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_fit_what_carries_their_values() {
        let check = |query: &str, expected: bool| {
            let held = |key: &str| match key {
                "state" => vec!["active".to_owned()],
                "severity" => vec!["SEV-2".to_owned()],
                "@git.repository.id_v2" => vec!["github.com/o/r".to_owned()],
                "service" => vec!["a \"b\" c".to_owned(), "web".to_owned()],
                _ => Vec::new(),
            };
            assert_eq!(Query::parse(query).unwrap().fits(held), expected, "{query}");
        };
        check("*", true);
        check("", true);
        check("state:active", true);
        check("state:(stable OR active) AND severity:(SEV-1 OR SEV-2)", true);
        check("state:(stable OR resolved)", false);
        check("state:active severity:SEV-1", false);
        check("@git.repository.id_v2:\"github.com/o/r\" state:active", true);
        check("service:\"a \\\"b\\\" c\"", true);
        check("service:web", true);
        check("unheard:of", false);
        for bad in ["state", "state:(active", "state:\"active", "state: active"] {
            assert!(Query::parse(bad).is_err(), "{bad}");
        }
    }
}
