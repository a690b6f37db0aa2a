//! GraphQL documents and answers against GitHub's published schema, and GitHub's rule for what a query costs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use apollo_compiler::ast::{Type, Value as Literal};
use apollo_compiler::executable::{Field, Operation, Selection, SelectionSet};
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Schema};
use serde_json::Value;

/// GitHub refuses a call that asks for more nodes.
const NODES_MAX: u64 = 500_000;
/// What `first` and `last` may be.
const PAGE_MAX: u64 = 100;

/// What one call of a query costs at most, by GitHub's published rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Requests for connections, had each been fetched by itself.
    pub(crate) connections: u64,
    /// Points of the hourly budget: a hundredth of the connections, rounded, at least 1.
    pub(crate) points: u64,
    /// Nodes: the sum over all connections of the products of their page sizes.
    pub(crate) nodes: u64,
}

pub(super) struct Graphql {
    schema: Valid<Schema>,
    documents: Mutex<HashMap<String, Arc<Valid<ExecutableDocument>>>>,
}

impl Graphql {
    pub(super) fn new(text: &str) -> Graphql {
        let schema = Schema::parse(text, "schema.graphql").unwrap_or_else(|e| panic!("GitHub's schema: {}", e.errors));
        // As published it is valid; to find that out again in every process takes seconds.
        Graphql { schema: Valid::assume_valid(schema), documents: Mutex::default() }
    }

    pub(super) fn check_query(&self, text: &str, variables: &Value) -> Result<Cost, Vec<String>> {
        let document = self.document(text)?;
        let mut bill = Bill { document: &document, variables, connections: 0, nodes: 0, wrong: Vec::new() };
        for operation in document.operations.iter() {
            bill.undeclared(operation);
            bill.selections(&operation.selection_set, operation, 1);
        }
        if bill.nodes > NODES_MAX {
            bill.wrong.push(format!("{} nodes, more than {NODES_MAX}", bill.nodes));
        }
        let points = ((bill.connections + 50) / 100).max(1);
        let cost = Cost { connections: bill.connections, points, nodes: bill.nodes };
        if bill.wrong.is_empty() { Ok(cost) } else { Err(bill.wrong) }
    }

    /// Holds an answer's `data` to the shape and types that the query asks for.
    pub(super) fn check_answer(&self, text: &str, answer: &Value) -> Result<(), Vec<String>> {
        let document = self.document(text)?;
        let data = &answer["data"];
        let errors = answer["errors"].as_array().is_some_and(|errors| !errors.is_empty());
        let mut shape = Shape { schema: &self.schema, document: &document, errors, wrong: Vec::new() };
        match document.operations.iter().next() {
            Some(operation) if data.is_object() => shape.object(&operation.selection_set, data, "data"),
            _ if errors => {}
            _ => shape.wrong.push("an answer without data has errors".to_owned()),
        }
        if shape.wrong.is_empty() { Ok(()) } else { Err(shape.wrong) }
    }

    fn document(&self, text: &str) -> Result<Arc<Valid<ExecutableDocument>>, Vec<String>> {
        let mut documents = self.documents.lock().expect("no check panics while it holds this lock");
        if let Some(found) = documents.get(text) {
            return Ok(Arc::clone(found));
        }
        let parsed = ExecutableDocument::parse_and_validate(&self.schema, text, "query.graphql")
            .map_err(|invalid| invalid.errors.iter().map(|e| e.to_string()).collect::<Vec<_>>())?;
        let parsed = Arc::new(parsed);
        documents.insert(text.to_owned(), Arc::clone(&parsed));
        Ok(parsed)
    }
}

/// Adds up what a document costs and notes what GitHub would refuse or will soon take away.
struct Bill<'a> {
    document: &'a ExecutableDocument,
    variables: &'a Value,
    connections: u64,
    nodes: u64,
    wrong: Vec<String>,
}

impl Bill<'_> {
    fn undeclared(&mut self, operation: &Operation) {
        let declared = |name: &str| operation.variables.iter().any(|v| v.name.as_str() == name);
        let given = self.variables.as_object().into_iter().flatten();
        self.wrong
            .extend(given.filter(|(name, _)| !declared(name)).map(|(name, _)| format!("${name} is not declared")));
    }

    fn selections(&mut self, set: &SelectionSet, operation: &Operation, times: u64) {
        for selection in &set.selections {
            match selection {
                Selection::InlineFragment(inline) => self.selections(&inline.selection_set, operation, times),
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = spread.fragment_def(self.document) {
                        self.selections(&fragment.selection_set, operation, times);
                    }
                }
                Selection::Field(field) => self.field(field, operation, times),
            }
        }
    }

    fn field(&mut self, field: &Field, operation: &Operation, times: u64) {
        if field.definition.directives.has("deprecated") {
            self.wrong.push(format!("{} is deprecated", field.name));
        }
        if !field.ty().inner_named_type().ends_with("Connection") {
            return self.selections(&field.selection_set, operation, times);
        }
        let size = self.page_size(field, operation);
        if !(1..=PAGE_MAX).contains(&size) {
            self.wrong.push(format!("{}: first or last has to be within 1..={PAGE_MAX}", field.name));
        }
        self.connections += times;
        self.nodes = self.nodes.saturating_add(times.saturating_mul(size));
        self.selections(&field.selection_set, operation, times.saturating_mul(size));
    }

    /// 0 if none is asked for. A variable counts as given, else as its default, else as the most it may be.
    fn page_size(&self, field: &Field, operation: &Operation) -> u64 {
        let given = ["first", "last"].into_iter().find_map(|name| field.specified_argument_by_name(name));
        match given.map(|value| &**value) {
            Some(Literal::Int(number)) => number.try_to_i32().ok().and_then(|n| u64::try_from(n).ok()).unwrap_or(0),
            Some(Literal::Variable(name)) => {
                if let Some(number) = self.variables[name.as_str()].as_u64() {
                    return number;
                }
                let default =
                    operation.variables.iter().find(|v| v.name == *name).and_then(|v| v.default_value.as_ref());
                let default = default.and_then(|v| v.to_i32());
                default.map_or(PAGE_MAX, |n| u64::try_from(n).unwrap_or(0))
            }
            _ => 0,
        }
    }
}

/// Walks an answer along its query.
struct Shape<'a> {
    schema: &'a Schema,
    document: &'a ExecutableDocument,
    /// Beside errors any field may be null: its null climbs to the next nullable parent.
    errors: bool,
    wrong: Vec<String>,
}

impl Shape<'_> {
    fn object(&mut self, set: &SelectionSet, data: &Value, at: &str) {
        self.fields(set, data, at, true);
        let mut asked = Vec::new();
        self.keys(set, &mut asked);
        let extra = data.as_object().into_iter().flatten().filter(|(key, _)| !asked.contains(*key));
        let extra: Vec<String> = extra.map(|(key, _)| format!("{at}.{key} was not asked for")).collect();
        self.wrong.extend(extra);
    }

    /// `certain` is false where a condition decides whether the fields are in the answer at all.
    fn fields(&mut self, set: &SelectionSet, data: &Value, at: &str, certain: bool) {
        for selection in &set.selections {
            let conditional = selection.directives().has("include") || selection.directives().has("skip");
            let certain = certain && !conditional;
            match selection {
                Selection::Field(field) => self.field(field, data, at, certain),
                Selection::InlineFragment(inline) => {
                    let condition = inline.type_condition.as_ref().map(|name| name.as_str());
                    self.fragment(&inline.selection_set, condition, &set.ty, data, at, certain);
                }
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = spread.fragment_def(self.document).cloned() {
                        let condition = Some(fragment.type_condition().as_str());
                        self.fragment(&fragment.selection_set, condition, &set.ty, data, at, certain);
                    }
                }
            }
        }
    }

    fn fragment(
        &mut self,
        set: &SelectionSet,
        condition: Option<&str>,
        parent: &str,
        data: &Value,
        at: &str,
        certain: bool,
    ) {
        let Some(condition) = condition.filter(|condition| *condition != parent) else {
            return self.fields(set, data, at, certain);
        };
        match data["__typename"].as_str() {
            Some(name) if name == condition || self.schema.is_subtype(condition, name) => {
                self.fields(set, data, at, certain)
            }
            Some(_) => {}
            None => self.fields(set, data, at, false),
        }
    }

    fn field(&mut self, field: &Field, data: &Value, at: &str, certain: bool) {
        let at = format!("{at}.{}", field.response_key());
        match data.get(field.response_key().as_str()) {
            Some(value) => self.value(field.ty(), &field.selection_set, value, &at),
            None if certain => self.wrong.push(format!("{at} is missing")),
            None => {}
        }
    }

    fn value(&mut self, ty: &Type, set: &SelectionSet, value: &Value, at: &str) {
        if value.is_null() {
            if ty.is_non_null() && !self.errors {
                self.wrong.push(format!("{at} is null, its type {ty} is not"));
            }
            return;
        }
        match (ty, value) {
            (Type::List(inner) | Type::NonNullList(inner), Value::Array(items)) => {
                for (i, item) in items.iter().enumerate() {
                    self.value(inner, set, item, &format!("{at}[{i}]"));
                }
            }
            (Type::Named(name) | Type::NonNullNamed(name), value) if self.is_of(name, value) => {
                if value.is_object() && !set.selections.is_empty() {
                    self.object(set, value, at);
                }
            }
            _ => {
                let shown: String = value.to_string().chars().take(80).collect();
                self.wrong.push(format!("{at}: {shown} is not of type {ty}"));
            }
        }
    }

    fn is_of(&self, name: &str, value: &Value) -> bool {
        match self.schema.types.get(name) {
            Some(ExtendedType::Enum(kind)) => value.as_str().is_some_and(|v| kind.values.contains_key(v)),
            Some(ExtendedType::Scalar(_)) => match name {
                // GitHub's ids outgrew the 32 bits of GraphQL's `Int` and are sent all the same.
                "Int" => value.is_i64(),
                "Float" => value.is_number(),
                "Boolean" => value.is_boolean(),
                "String" | "ID" | "URI" | "HTML" | "GitObjectID" => value.is_string(),
                "DateTime" => value.as_str().is_some_and(|v| chrono::DateTime::parse_from_rfc3339(v).is_ok()),
                _ => true,
            },
            _ => value.is_object(),
        }
    }

    fn keys(&self, set: &SelectionSet, keys: &mut Vec<String>) {
        for selection in &set.selections {
            match selection {
                Selection::Field(field) => keys.push(field.response_key().to_string()),
                Selection::InlineFragment(inline) => self.keys(&inline.selection_set, keys),
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = spread.fragment_def(self.document) {
                        self.keys(&fragment.selection_set, keys);
                    }
                }
            }
        }
    }
}
