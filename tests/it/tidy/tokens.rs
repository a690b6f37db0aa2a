//! Rust code as tokens: paths with their groups spread out, functions with their lengths, attributes, string literals.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// `a::b::c` as written, wherever it stands. `use a::{b, c}` is two of them.
#[derive(Debug, Default)]
pub(super) struct PathUse {
    pub(super) segments: Vec<String>,
    pub(super) line: usize,
    /// How many modules deep inside the file it stands.
    pub(super) depth: usize,
    /// After a dot: a field or a method.
    pub(super) dotted: bool,
    /// Before a `!`: a macro's name.
    pub(super) bang: bool,
}

#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) lines: usize,
    /// A test's body is its data and has no limit.
    pub(super) is_test: bool,
}

/// What the rules ask of one piece of code.
#[derive(Debug, Default)]
pub(super) struct Code {
    pub(super) paths: Vec<PathUse>,
    pub(super) functions: Vec<Function>,
    /// The first word of each attribute, with its line.
    pub(super) attributes: Vec<(String, usize)>,
    pub(super) literals: Vec<(String, usize)>,
    /// The modules that `mod name;` takes from other files.
    pub(super) modules: Vec<String>,
}

impl Code {
    pub(super) fn parse(text: &str) -> Result<TokenStream, String> {
        text.parse().map_err(|error| format!("not Rust: {error}"))
    }

    pub(super) fn of(tokens: TokenStream) -> Code {
        let mut code = Code::default();
        code.walk(tokens, 0);
        code
    }

    fn walk(&mut self, tokens: TokenStream, depth: usize) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut is_test = false;
        let mut dotted = false;
        let mut i = 0;
        while i < tokens.len() {
            let mut next = i + 1;
            let was_dotted = std::mem::take(&mut dotted);
            match &tokens[i] {
                TokenTree::Punct(p) if p.as_char() == '.' => dotted = true,
                TokenTree::Punct(p) if p.as_char() == '#' => {
                    if let Some((attribute, after)) = attribute(&tokens, i) {
                        is_test |= attribute.stream().to_string().split(['(', ' ']).any(|word| word == "test");
                        self.attribute(attribute);
                        next = after;
                    }
                }
                TokenTree::Ident(word) if word == "fn" => {
                    self.function(&tokens, i, is_test);
                    is_test = false;
                }
                TokenTree::Ident(word) if word == "mod" => next = self.module(&tokens, i, depth),
                TokenTree::Ident(_) => next = self.path(&tokens, i, depth, was_dotted),
                TokenTree::Group(group) => self.walk(group.stream(), depth),
                TokenTree::Literal(literal) => self.literals.push((literal.to_string(), literal.span().start().line)),
                TokenTree::Punct(_) => {}
            }
            i = next;
        }
    }

    /// Arguments of attributes are no code; only the words that name them count.
    fn attribute(&mut self, attribute: &Group) {
        if let Some(TokenTree::Ident(word)) = attribute.stream().into_iter().next() {
            self.attributes.push((word.to_string(), attribute.span().start().line));
        }
    }

    fn function(&mut self, tokens: &[TokenTree], at: usize, is_test: bool) {
        let Some(TokenTree::Ident(name)) = tokens.get(at + 1) else { return };
        let line = tokens[at].span().start().line;
        let end = tokens[at..].iter().find_map(|token| match token {
            TokenTree::Group(body) if body.delimiter() == Delimiter::Brace => Some(Some(body.span_close().end().line)),
            TokenTree::Punct(p) if p.as_char() == ';' => Some(None),
            _ => None,
        });
        if let Some(Some(end)) = end {
            self.functions.push(Function { name: name.to_string(), line, lines: end - line + 1, is_test });
        }
    }

    fn module(&mut self, tokens: &[TokenTree], at: usize, depth: usize) -> usize {
        match (tokens.get(at + 1), tokens.get(at + 2)) {
            (Some(TokenTree::Ident(name)), Some(TokenTree::Punct(p))) if p.as_char() == ';' => {
                self.modules.push(name.to_string());
                at + 3
            }
            (Some(TokenTree::Ident(_)), Some(TokenTree::Group(body))) => {
                self.walk(body.stream(), depth + 1);
                at + 3
            }
            _ => at + 1,
        }
    }

    /// Reads the path that begins here; returns the index after it.
    fn path(&mut self, tokens: &[TokenTree], at: usize, depth: usize, dotted: bool) -> usize {
        let line = tokens[at].span().start().line;
        let mut segments = vec![tokens[at].to_string()];
        let mut i = at + 1;
        while is_separator(tokens, i) {
            match tokens.get(i + 2) {
                Some(TokenTree::Ident(word)) => segments.push(word.to_string()),
                Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                    self.spread(&segments, group, depth);
                    return i + 3;
                }
                _ => break,
            }
            i += 3;
        }
        let bang = matches!(tokens.get(i), Some(TokenTree::Punct(p)) if p.as_char() == '!')
            && matches!(tokens.get(i + 1), Some(TokenTree::Group(_)));
        self.paths.push(PathUse { segments, line, depth, dotted, bang });
        i
    }

    fn spread(&mut self, prefix: &[String], group: &Group, depth: usize) {
        let mut inner = Code::default();
        inner.walk(group.stream(), depth);
        for mut path in inner.paths {
            path.segments.splice(0..0, prefix.iter().cloned());
            self.paths.push(path);
        }
    }
}

/// The same tokens without what `#[cfg(test)]` stands before.
pub(super) fn without_tests(tokens: TokenStream) -> TokenStream {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut kept = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        match attribute(&tokens, i) {
            Some((group, after)) if group.stream().to_string().replace(' ', "") == "cfg(test)" => {
                i = after + tokens[after..].iter().take_while(|token| !ends_item(token)).count() + 1;
                continue;
            }
            _ => {}
        }
        kept.push(match &tokens[i] {
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), without_tests(group.stream()));
                inner.set_span(group.span());
                TokenTree::Group(inner)
            }
            other => other.clone(),
        });
        i += 1;
    }
    kept.into_iter().collect()
}

fn ends_item(token: &TokenTree) -> bool {
    match token {
        TokenTree::Punct(p) => p.as_char() == ';',
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        _ => false,
    }
}

/// `#[..]` or `#![..]` at this index: its inside and the index after it.
fn attribute(tokens: &[TokenTree], at: usize) -> Option<(&Group, usize)> {
    let punct = |i: usize, c: char| matches!(tokens.get(i), Some(TokenTree::Punct(p)) if p.as_char() == c);
    let group = if punct(at + 1, '!') { at + 2 } else { at + 1 };
    match tokens.get(group) {
        Some(TokenTree::Group(inner)) if punct(at, '#') && inner.delimiter() == Delimiter::Bracket => {
            Some((inner, group + 1))
        }
        _ => None,
    }
}

fn is_separator(tokens: &[TokenTree], at: usize) -> bool {
    let colon = |i: usize| matches!(tokens.get(i), Some(TokenTree::Punct(p)) if p.as_char() == ':');
    colon(at) && colon(at + 1)
}
