//! What a query costs: connections asked for, per hundred, and the most nodes it can give.

use graphql_parser::query::{Definition, Field, OperationDefinition, Selection, SelectionSet};
use serde_json::{Map, Value, json};

use super::values::{Arguments, included};
use super::{Query, Text};

/// Most nodes one call may ask for.
const NODES_MAX: u64 = 500_000;
/// Deeper fragments than this are taken to be a circle.
const DEPTH_MAX: usize = 40;

/// Price of a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Price {
    pub(super) points: u64,
    pub(super) nodes: u64,
    connections: u64,
}

/// The price of the document's queries. Errors when it asks for too much.
pub(super) fn of(document: &Query<'_>, variables: &Map<String, Value>) -> Result<Price, Value> {
    let mut price = Price::default();
    for definition in &document.definitions {
        let set = match definition {
            Definition::Operation(OperationDefinition::Query(query)) => &query.selection_set,
            Definition::Operation(OperationDefinition::SelectionSet(set)) => set,
            _ => continue,
        };
        add(&mut price, document, set, variables, 1, 0)?;
    }
    if price.nodes > NODES_MAX {
        let message =
            format!("This query requests up to {} possible nodes which exceeds the maximum limit", price.nodes);
        return Err(json!({"type": "MAX_NODE_LIMIT_EXCEEDED", "message": message}));
    }
    price.points = ((price.connections + 50) / 100).max(1);
    Ok(price)
}

fn add(
    price: &mut Price,
    document: &Query<'_>,
    set: &SelectionSet<'_, Text>,
    variables: &Map<String, Value>,
    times: u64,
    depth: usize,
) -> Result<(), Value> {
    if depth > DEPTH_MAX {
        return Err(json!({"message": "Fragments form a circle"}));
    }
    for selection in &set.items {
        match selection {
            Selection::Field(field) if included(&field.directives, variables) => {
                let inner = counted(price, field, variables, times)?;
                add(price, document, &field.selection_set, variables, inner, depth + 1)?;
            }
            Selection::InlineFragment(inline) if included(&inline.directives, variables) => {
                add(price, document, &inline.selection_set, variables, times, depth + 1)?;
            }
            Selection::FragmentSpread(spread) if included(&spread.directives, variables) => {
                let fragment = document.definitions.iter().find_map(|d| match d {
                    Definition::Fragment(f) if f.name == spread.fragment_name => Some(f),
                    _ => None,
                });
                if let Some(fragment) = fragment {
                    add(price, document, &fragment.selection_set, variables, times, depth + 1)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Counts a field that is a connection; returns how often what is below it is asked for.
fn counted(
    price: &mut Price,
    field: &Field<'_, Text>,
    variables: &Map<String, Value>,
    times: u64,
) -> Result<u64, Value> {
    let arguments = Arguments::of(field, variables);
    let Some(size) = arguments.number("first").or(arguments.number("last")) else { return Ok(times) };
    if !(1..=100).contains(&size) {
        let message =
            format!("Requesting {size} records on the `{}` connection exceeds the limit of 100 records.", field.name);
        return Err(
            json!({"type": "EXCESSIVE_PAGINATION", "locations": [super::place(field.position)], "message": message}),
        );
    }
    price.connections += times;
    price.nodes += times * size;
    Ok(times * size)
}
