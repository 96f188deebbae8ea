//! Frames with other fields, and fields in another order, made from their text so that numbers keep
//! their digits.

/// The frame with a field that nobody knows at the beginning of each object.
pub(super) fn with_more(frame: &str) -> String {
    let mut text = String::new();
    let mut rest = frame.chars().peekable();
    let (mut quoted, mut escaped) = (false, false);
    while let Some(c) = rest.next() {
        text.push(c);
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '{' if !quoted => {
                text.push_str(r#""a_field_of_tomorrow":[1.5,null,{"a":"}]\""}]"#);
                if rest.peek() != Some(&'}') {
                    text.push(',');
                }
            }
            _ => {}
        }
    }
    text
}

/// The frame with the fields of every object turned round.
pub(super) fn turned(value: &str) -> String {
    let value = value.trim();
    let inner = |open, close| value.strip_prefix(open)?.strip_suffix(close);
    if let Some(fields) = inner('{', '}') {
        let mut fields: Vec<_> = split(fields, ',').into_iter().map(field).collect();
        fields.reverse();
        return format!("{{{}}}", fields.join(","));
    }
    if let Some(elements) = inner('[', ']') {
        let elements: Vec<_> = split(elements, ',').into_iter().map(turned).collect();
        return format!("[{}]", elements.join(","));
    }
    value.to_owned()
}

fn field(text: &str) -> String {
    match split(text, ':')[..] {
        [key, ref value @ ..] if !value.is_empty() => {
            let start = value[0].as_ptr().addr() - text.as_ptr().addr();
            format!("{key}:{}", turned(&text[start..]))
        }
        _ => text.to_owned(),
    }
}

/// Splits where the mark stands outside of texts, objects and arrays.
fn split(text: &str, mark: char) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (vec![], 0, 0);
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '{' | '[' if !quoted => depth += 1,
            '}' | ']' if !quoted => depth -= 1,
            _ if c == mark && !quoted && depth == 0 => {
                parts.push(&text[start..at]);
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    if start < text.len() {
        parts.push(&text[start..]);
    }
    parts
}
