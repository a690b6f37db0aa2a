//! Connections: lists with cursors.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::nodes::Node;
use super::values::Arguments;
use super::{Found, Refused, Resolved, scalar};

/// A page of a list.
pub(super) struct Connection<'s> {
    pub(super) type_name: &'static str,
    pub(super) page: Vec<Node<'s>>,
    /// Items as `totalCount` gives them.
    counted: usize,
    /// Items that can be paged through.
    total: usize,
    /// Place of the page's first item in the list.
    start: usize,
}

impl<'s> Connection<'s> {
    /// The page that the arguments ask for.
    pub(super) fn page(type_name: &'static str, all: Vec<Node<'s>>, arguments: &Arguments) -> Found<'s> {
        Self::part(type_name, all.len(), all, arguments)
    }

    /// The page of a list of which only the beginning is given, and how many items it counts.
    pub(super) fn part(
        type_name: &'static str,
        counted: usize,
        all: Vec<Node<'s>>,
        arguments: &Arguments,
    ) -> Found<'s> {
        let total = all.len();
        let after = arguments.text("after").map(place).transpose()?.unwrap_or(0);
        let before = arguments.text("before").map(place).transpose()?.map_or(total, |p| p.saturating_sub(1));
        let (mut start, mut end) = (after.min(total), before.min(total));
        end = end.max(start);
        match (arguments.number("first"), arguments.number("last")) {
            (Some(first), _) => end = end.min(start + first as usize),
            (None, Some(last)) => start = start.max(end.saturating_sub(last as usize)),
            (None, None) => {
                let message =
                    format!("You must provide a `first` or `last` value to properly paginate the `{type_name}`.");
                return Err(Refused::Argument("MISSING_PAGINATION_BOUNDARIES", message));
            }
        }
        let page = all.into_iter().skip(start).take(end - start).collect();
        Ok(Resolved::Connection(Self { type_name, page, counted, total, start }))
    }

    pub(super) fn field(&self, name: &str) -> Found<'s> {
        match name {
            "totalCount" => scalar(self.counted),
            "nodes" => Ok(Resolved::List(self.page.clone())),
            "edges" => {
                let edges = self
                    .page
                    .iter()
                    .enumerate()
                    .map(|(at, node)| Node::Edge(Box::new(node.clone()), cursor(self.start + at + 1)));
                Ok(Resolved::List(edges.collect()))
            }
            "pageInfo" => {
                let end = self.start + self.page.len();
                Ok(Resolved::Node(Node::PageInfo {
                    has_next: end < self.total,
                    has_previous: self.start > 0,
                    start: (!self.page.is_empty()).then(|| cursor(self.start + 1)),
                    end: (!self.page.is_empty()).then(|| cursor(end)),
                }))
            }
            _ => Err(Refused::Undefined),
        }
    }
}

/// A cursor: opaque, as GitHub's are.
fn cursor(place: usize) -> String {
    STANDARD.encode(format!("cursor:v2:{place}"))
}

fn place(cursor: &str) -> Result<usize, Refused> {
    let bytes = STANDARD.decode(cursor).ok();
    let text = bytes.and_then(|b| String::from_utf8(b).ok());
    let place = text.and_then(|t| t.strip_prefix("cursor:v2:")?.parse().ok());
    place.ok_or_else(|| {
        let shown = json!(cursor);
        Refused::Argument("INVALID_CURSOR_ARGUMENTS", format!("{shown} does not appear to be a valid cursor."))
    })
}
