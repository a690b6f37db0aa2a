//! GraphQL over the state: parses a query, prices it, and walks its selections. An unknown field is refused as GitHub
//! refuses it; a part that the token may not see is null with an error beside it.

mod commits;
mod connection;
mod nodes;
mod owners;
mod price;
mod pulls;
mod queue;
mod values;

#[cfg(test)]
mod tests;

use graphql_parser::Pos;
use graphql_parser::query::{Definition, Directive, Document, Field, FragmentDefinition, OperationDefinition};
use graphql_parser::query::{Selection, SelectionSet, TypeCondition};
use serde_json::{Map, Value, json};

use super::Shared;
use super::answer::{Answer, Request};
use super::auth::Caller;
use super::shapes::time;
use super::state::State;
use connection::Connection;
use nodes::Node;
use values::Arguments;

type Text = String;
type Query<'q> = Document<'q, Text>;

/// What a field gives.
enum Resolved<'s> {
    Scalar(Value),
    Node(Node<'s>),
    List(Vec<Node<'s>>),
    Connection(Connection<'s>),
}

impl<'s> From<Option<Node<'s>>> for Resolved<'s> {
    fn from(node: Option<Node<'s>>) -> Self {
        node.map_or(Self::Scalar(Value::Null), Self::Node)
    }
}

/// Why a field gives nothing.
enum Refused {
    /// The type has no such field.
    Undefined,
    /// The field needs other arguments.
    Argument(&'static str, String),
    /// The answer is null and says why: `NOT_FOUND` or `FORBIDDEN`.
    Null(&'static str, String),
}

type Found<'s> = Result<Resolved<'s>, Refused>;

fn scalar<'s>(value: impl serde::Serialize) -> Found<'s> {
    Ok(Resolved::Scalar(json!(value)))
}

fn forbidden() -> Refused {
    Refused::Null("FORBIDDEN", "Resource not accessible by integration".to_owned())
}

/// Answers a query and says what it costs.
pub(super) fn execute(shared: &Shared, caller: &Caller, request: &Request) -> (Answer, u64) {
    let Caller::Installation(_) = caller else {
        return (Answer::error(401, "A JSON web token could not be decoded"), 0);
    };
    let text = request.body["query"].as_str().unwrap_or_default();
    let document: Query<'_> = match graphql_parser::parse_query(text) {
        Ok(document) => document,
        Err(e) => return (errors(vec![json!({"message": format!("Parse error: {e}")})]), 1),
    };
    let variables = match values::variables(&document, &request.body["variables"]) {
        Ok(variables) => variables,
        Err(problem) => return (errors(vec![problem]), 1),
    };
    let price = match price::of(&document, &variables) {
        Ok(price) => price,
        Err(problem) => return (errors(vec![problem]), 1),
    };
    let mut state = shared.state();
    let budget = *state.budget(&shared.options, Some(caller), "graphql");
    let used = (budget.used + price.points).min(budget.limit);
    let rate = json!({
        "cost": price.points,
        "nodeCount": price.nodes,
        "limit": budget.limit,
        "remaining": budget.limit - used,
        "used": used,
        "resetAt": time(budget.resets_at),
    });
    let mut run =
        Run { state: &state, caller, document: &document, variables, rate, errors: Vec::new(), broken: false };
    let data = run.operation(request.body["operationName"].as_str());
    let (broken, problems) = (run.broken, run.errors);
    let answer = if broken {
        errors(problems)
    } else if problems.is_empty() {
        Answer::ok(json!({"data": data}))
    } else {
        Answer::ok(json!({"data": data, "errors": problems}))
    };
    (answer, price.points)
}

fn errors(problems: Vec<Value>) -> Answer {
    Answer::ok(json!({"errors": problems}))
}

/// One execution.
struct Run<'s> {
    state: &'s State,
    caller: &'s Caller,
    document: &'s Query<'s>,
    variables: Map<String, Value>,
    rate: Value,
    errors: Vec<Value>,
    /// A mistake in the query itself: no data is given.
    broken: bool,
}

impl<'s> Run<'s> {
    fn operation(&mut self, name: Option<&str>) -> Value {
        let queries = self.document.definitions.iter().filter_map(|d| match d {
            Definition::Operation(OperationDefinition::Query(q)) => Some((q.name.as_deref(), &q.selection_set)),
            Definition::Operation(OperationDefinition::SelectionSet(set)) => Some((None, set)),
            _ => None,
        });
        let Some((found, set)) = queries.into_iter().find(|(n, _)| name.is_none() || *n == name) else {
            self.broken = true;
            self.errors.push(json!({"message": "No operation was found; mutations are not simulated"}));
            return Value::Null;
        };
        let mut path = vec![json!(found.map_or("query".to_owned(), |n| format!("query {n}")))];
        self.object(&Node::Query, &[set], &mut path)
    }

    /// The selected fields of an object. Sets that share an answer key are merged.
    fn object(&mut self, node: &Node<'s>, sets: &[&'s SelectionSet<'s, Text>], path: &mut Vec<Value>) -> Value {
        let mut fields: Vec<(&'s str, Vec<&'s Field<'s, Text>>)> = Vec::new();
        for set in sets {
            self.collect(node, set, &mut fields);
        }
        let mut object = Map::new();
        for (key, same) in fields {
            path.push(json!(key));
            let value = self.field(node, &same, path);
            path.pop();
            object.insert(key.to_owned(), value);
        }
        Value::Object(object)
    }

    fn collect(
        &mut self,
        node: &Node<'s>,
        set: &'s SelectionSet<'s, Text>,
        fields: &mut Vec<(&'s str, Vec<&'s Field<'s, Text>>)>,
    ) {
        for selection in &set.items {
            match selection {
                Selection::Field(field) if self.included(&field.directives) => {
                    let key = field.alias.as_deref().unwrap_or(&field.name);
                    match fields.iter_mut().find(|(k, _)| *k == key) {
                        Some((_, same)) => same.push(field),
                        None => fields.push((key, vec![field])),
                    }
                }
                Selection::InlineFragment(inline) if self.included(&inline.directives) => {
                    let fits = inline.type_condition.as_ref().is_none_or(|TypeCondition::On(t)| node.is(t));
                    if fits {
                        self.collect(node, &inline.selection_set, fields);
                    }
                }
                Selection::FragmentSpread(spread) if self.included(&spread.directives) => {
                    let Some(fragment) = self.fragment(&spread.fragment_name) else {
                        self.mistake(
                            spread.position,
                            &[],
                            format!("Fragment {} was used, but not defined", spread.fragment_name),
                            json!({}),
                        );
                        continue;
                    };
                    let TypeCondition::On(wanted) = &fragment.type_condition;
                    if node.is(wanted) {
                        self.collect(node, &fragment.selection_set, fields);
                    }
                }
                _ => {}
            }
        }
    }

    fn fragment(&self, name: &str) -> Option<&'s FragmentDefinition<'s, Text>> {
        self.document.definitions.iter().find_map(|d| match d {
            Definition::Fragment(f) if f.name == name => Some(f),
            _ => None,
        })
    }

    fn included(&self, directives: &[Directive<'_, Text>]) -> bool {
        values::included(directives, &self.variables)
    }

    fn field(&mut self, node: &Node<'s>, same: &[&'s Field<'s, Text>], path: &mut Vec<Value>) -> Value {
        let field = same[0];
        if field.name == "__typename" {
            return json!(node.type_name());
        }
        let arguments = Arguments::of(field, &self.variables);
        let sets: Vec<&SelectionSet<'s, Text>> = same.iter().map(|f| &f.selection_set).collect();
        match self.resolve(node, &field.name, &arguments) {
            Ok(resolved) => self.shape(resolved, &sets, path),
            Err(Refused::Undefined) => {
                let (of, name) = (node.type_name(), &field.name);
                let codes = json!({"code": "undefinedField", "typeName": of, "fieldName": name});
                self.mistake(field.position, path, format!("Field '{name}' doesn't exist on type '{of}'"), codes);
                Value::Null
            }
            Err(Refused::Argument(code, message)) => {
                self.mistake(field.position, path, message, json!({"code": code}));
                Value::Null
            }
            Err(Refused::Null(kind, message)) => {
                // The operation's name stands only before mistakes in the query.
                let path = &path[1..];
                self.errors.push(json!({
                    "type": kind, "path": path, "locations": [place(field.position)], "message": message,
                }));
                Value::Null
            }
        }
    }

    fn shape(&mut self, resolved: Resolved<'s>, sets: &[&'s SelectionSet<'s, Text>], path: &mut Vec<Value>) -> Value {
        match resolved {
            Resolved::Scalar(value) => value,
            Resolved::Node(node) => self.object(&node, sets, path),
            Resolved::List(nodes) => self.list(&nodes, sets, path),
            Resolved::Connection(connection) => self.object(&Node::Connection(connection.into()), sets, path),
        }
    }

    fn list(&mut self, nodes: &[Node<'s>], sets: &[&'s SelectionSet<'s, Text>], path: &mut Vec<Value>) -> Value {
        let mut list = Vec::with_capacity(nodes.len());
        for (at, node) in nodes.iter().enumerate() {
            path.push(json!(at));
            list.push(self.object(node, sets, path));
            path.pop();
        }
        Value::Array(list)
    }

    fn mistake(&mut self, at: Pos, path: &[Value], message: String, extensions: Value) {
        self.broken = true;
        // Mistakes name fields of the query, not items of lists.
        let path: Vec<&Value> = path.iter().filter(|p| p.is_string()).collect();
        let mistake = json!({"path": path, "extensions": extensions, "locations": [place(at)], "message": message});
        if !self.errors.contains(&mistake) {
            self.errors.push(mistake);
        }
    }
}

fn place(at: Pos) -> Value {
    json!({"line": at.line, "column": at.column})
}
