//! Untrusted YAML into a small tree that remembers its lines, within tight budgets.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::Spanned;

use crate::risk::policy::PolicyError;

/// A policy is a page of text; more is a mistake or an attack.
const BYTES_MAX: usize = 64 * 1024;
const NODES_MAX: usize = 5_000;
const DEPTH_MAX: usize = 8;

/// A value and the line that it starts on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    /// 1-based.
    pub(super) line: u64,
    pub(super) value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Flag(bool),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    /// Keys with their lines, in the order of the file.
    Map(Vec<(Key, Node)>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key {
    pub(super) line: u64,
    pub(super) text: String,
}

/// Reads one document; an empty one is `Value::Null`.
pub(super) fn parse(text: &str) -> Result<Node, PolicyError> {
    if text.len() > BYTES_MAX {
        let message = format!("The file has {} bytes; at most {BYTES_MAX} are read", text.len());
        return Err(PolicyError { line: None, message });
    }
    let budget = serde_saphyr::budget! {
        max_events: 4 * NODES_MAX,
        max_nodes: NODES_MAX,
        max_depth: DEPTH_MAX,
        flow_nesting_limit: DEPTH_MAX,
        max_documents: 1,
        // Anchors and merges have no use in a file this small, and are what YAML bombs are made of.
        max_anchors: 0,
        max_aliases: 0,
        max_merge_keys: 0,
        max_total_scalar_bytes: BYTES_MAX,
    };
    let options = serde_saphyr::options! {
        budget: budget,
        strict_booleans: true,
        with_snippet: false,
    };
    if text.trim().is_empty() {
        return Ok(Node { line: 1, value: Value::Null });
    }
    let parsed: Result<Spanned<Value>, _> = serde_saphyr::from_str_with_options(text, options);
    parsed.map(Node::from).map_err(|error| {
        let line = error.location().map(|location| location.line()).filter(|line| *line > 0);
        let message = error.without_snippet().to_string();
        let message = message.split(['\n', '\r']).next().unwrap_or_default();
        PolicyError { line, message: format!("This is not YAML that can be read: {message}") }
    })
}

impl Value {
    /// What it is, in words.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Flag(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a table of keys",
        }
    }
}

impl From<Spanned<Value>> for Node {
    fn from(spanned: Spanned<Value>) -> Self {
        Self { line: spanned.referenced.line().max(1), value: spanned.value }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number as f64))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number as f64))
    }

    fn visit_i128<E>(self, number: i128) -> Result<Value, E> {
        Ok(Value::Number(number as f64))
    }

    fn visit_u128<E>(self, number: u128) -> Result<Value, E> {
        Ok(Value::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Spanned<Value>>()? {
            list.push(item.into());
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key::<Spanned<String>>()? {
            let value: Spanned<Value> = entries.next_value()?;
            map.push((Key { line: key.referenced.line().max(1), text: key.value }, value.into()));
        }
        Ok(Value::Map(map))
    }
}
