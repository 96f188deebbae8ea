use proc_macro2::{Delimiter, LexError, TokenStream, TokenTree};

/// One token of a source file: an identifier, a literal, a bracket or a single punctuation
/// mark. Comments are none, and a string is one token together with its quotes.
#[derive(Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// Cuts Rust source into tokens, leaving out modules that only tests compile.
pub(crate) fn lex(source: &str) -> Result<Vec<Token>, LexError> {
    let mut tokens = Vec::new();
    flatten(source.parse()?, &mut tokens);
    Ok(tokens)
}

/// The line of every place where `needle`, itself written as Rust, stands in `tokens`.
///
/// A path is found in an import list too: `env::var` stands in `use std::env::{self, var}`.
pub(crate) fn find(needle: &[Token], tokens: &[Token]) -> Vec<usize> {
    let texts = |tokens: &[Token]| tokens.iter().map(|token| token.text.clone()).collect();
    let needle: Vec<String> = texts(needle);
    let path = match needle.as_slice() {
        [module @ .., last] if module.ends_with(&[":".into(), ":".into()]) => Some((module, last)),
        _ => None,
    };
    let starts_with = |start: usize, needle: &[String]| {
        let rest = &tokens[start..];
        rest.len() >= needle.len() && rest.iter().zip(needle).all(|(t, text)| t.text == *text)
    };
    let mut lines = Vec::new();
    for start in 0..tokens.len() {
        if starts_with(start, &needle) {
            lines.push(tokens[start].line);
        } else if let Some((module, last)) = path
            && starts_with(start, module)
        {
            lines.extend(listed(last, &tokens[start + module.len()..]));
        }
    }
    lines
}

/// The lines of float literals. `pair.0.1` holds none, although it lexes as one.
pub(crate) fn find_float_literals(tokens: &[Token]) -> Vec<usize> {
    let dot =
        |index: Option<usize>| index.and_then(|i| tokens.get(i)).is_some_and(|t| t.text == ".");
    let is_field = |at: usize| dot(at.checked_sub(1)) && !dot(at.checked_sub(2));
    let floats =
        tokens.iter().enumerate().filter(|(at, token)| is_float(&token.text) && !is_field(*at));
    floats.map(|(_, token)| token.line).collect()
}

/// The lines of conditions that hold both a `let` and an `&&`, neither of them in brackets.
pub(crate) fn find_let_chains(tokens: &[Token]) -> Vec<usize> {
    let is_chain = |condition: &[Token]| {
        let (mut depth, mut has_let, mut has_and) = (0, false, false);
        for (at, token) in condition.iter().enumerate() {
            match token.text.as_str() {
                "{" if depth == 0 => break,
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                "let" if depth == 0 => has_let = true,
                "&" if depth == 0 => {
                    has_and |= condition.get(at + 1).is_some_and(|next| next.text == "&");
                }
                _ => {}
            }
        }
        has_let && has_and
    };
    let heads = tokens.iter().enumerate().filter(|(_, t)| t.text == "if" || t.text == "while");
    heads.filter(|(at, _)| is_chain(&tokens[at + 1..])).map(|(_, token)| token.line).collect()
}

/// The lines where `name` is an entry of the import list that `tokens` begin with, if they do.
fn listed(name: &str, tokens: &[Token]) -> Vec<usize> {
    let mut lines = Vec::new();
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            text if text == name && depth == 1 && matches!(&*tokens[at - 1].text, "{" | ",") => {
                lines.push(token.line);
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    lines
}

fn is_float(literal: &str) -> bool {
    let digits = |c: char| c.is_ascii_digit() || c == '_';
    if !literal.starts_with(|c: char| c.is_ascii_digit()) || literal.starts_with("0x") {
        return false;
    }
    let rest = literal.trim_start_matches(digits);
    rest.starts_with(['.', 'e', 'E']) || rest == "f32" || rest == "f64"
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    let trees: Vec<TokenTree> = stream.into_iter().collect();
    let mut rest = trees.as_slice();
    while let Some(tree) = rest.first() {
        if let Some(length) = test_module(rest) {
            rest = &rest[length..];
            continue;
        }
        let mut push = |text: String, span: proc_macro2::Span| {
            tokens.push(Token { text, line: span.start().line });
        };
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                push(open.into(), group.span_open());
                flatten(group.stream(), tokens);
                tokens.push(Token { text: close.into(), line: group.span_close().start().line });
            }
            leaf => push(leaf.to_string(), leaf.span()),
        }
        rest = &rest[1..];
    }
}

/// The number of trees that `#[cfg(test)] mod name { .. }` takes, where `trees` begin with it.
fn test_module(trees: &[TokenTree]) -> Option<usize> {
    let text = |at: usize| trees.get(at).map(ToString::to_string).unwrap_or_default();
    let cfg = text(1).replace([' ', '\n'], "");
    if text(0) != "#" || !(cfg == "[cfg(test)]" || cfg.starts_with("[cfg(all(test,")) {
        return None;
    }
    let mut at = 2;
    while text(at) == "#" {
        at += 2;
    }
    if text(at) == "pub" {
        at += if text(at + 1).starts_with('(') { 2 } else { 1 };
    }
    let body = matches!(trees.get(at + 2), Some(TokenTree::Group(_)));
    (text(at) == "mod" && body).then_some(at + 3)
}

#[cfg(test)]
mod tests;
