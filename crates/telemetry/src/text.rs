//! The Prometheus text format, version 0.0.4, and OpenMetrics, version 1.0.0: alike but for what names a counter, and
//! how it ends.

use std::fmt::Write;

use crate::{Family, Kind, Value, family::families, scrape::Scrape};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Classic,
    Open,
}

impl Format {
    /// By which name a family is introduced.
    fn name(self, family: &Family) -> &'static str {
        match (self, family.kind) {
            (Self::Open, Kind::Counter) => family.name.trim_end_matches("_total"),
            _ => family.name,
        }
    }

    /// The end of a bucket. OpenMetrics wants one way of writing each number: a point in every one, and an exponent in those
    /// below a ten-thousandth.
    fn bound(self, decimal: String) -> String {
        match decimal.strip_prefix("0.0000") {
            _ if self == Self::Classic => decimal,
            Some(digits) => {
                let leading = digits.len() - digits.trim_start_matches('0').len();
                let (first, rest) = digits[leading..].split_at(1);
                let point = if rest.is_empty() { "" } else { "." };
                format!("{first}{point}{rest}e-{:02}", leading + 5)
            }
            None if decimal.contains('.') => decimal,
            None => format!("{decimal}.0"),
        }
    }

    fn help(self, family: &Family) -> String {
        let help = family.help.replace('\\', r"\\");
        if self == Self::Open { help.replace('"', "\\\"") } else { help }
    }
}

pub(crate) fn render(scrape: &Scrape, format: Format) -> String {
    let mut text = String::with_capacity(16 << 10);
    for family in families::ALL {
        let mut rows = scrape.of(family).peekable();
        if rows.peek().is_none() {
            continue;
        }
        // Writing to a string does not fail.
        let name = format.name(family);
        let _ = writeln!(text, "# HELP {name} {}", format.help(family));
        let _ = writeln!(text, "# TYPE {name} {}", family.kind.as_str());
        rows.for_each(|(labels, value)| series(&mut text, format, family, labels, value));
    }
    if format == Format::Open {
        text.push_str("# EOF\n");
    }
    text
}

fn series(text: &mut String, format: Format, family: &Family, labels: &[String], value: &Value) {
    match (value, family.kind) {
        (Value::Number(number), _) => {
            line(text, family, "", labels, None);
            let _ = writeln!(text, "{number}");
        }
        (Value::Traced { number, trace }, _) => {
            line(text, family, "", labels, None);
            let _ = write!(text, "{number}");
            if format == Format::Open {
                let _ = write!(text, " # {{trace_id=\"{trace:016x}\"}} 1");
            }
            text.push('\n');
        }
        (Value::Time(nanos), _) => {
            line(text, family, "", labels, None);
            let _ = writeln!(text, "{}", decimal(u128::from(*nanos), 9));
        }
        (Value::Histogram(snapshot), Kind::Histogram(unit)) => {
            for bound in unit.bounds() {
                let le = format.bound(decimal(u128::from(*bound), unit.digits()));
                line(text, family, "_bucket", labels, Some(&le));
                let _ = writeln!(text, "{}", snapshot.count_at_most(*bound));
            }
            let count = snapshot.count();
            line(text, family, "_bucket", labels, Some("+Inf"));
            let _ = writeln!(text, "{count}");
            line(text, family, "_sum", labels, None);
            let _ = writeln!(text, "{}", decimal(snapshot.sum(), unit.digits()));
            line(text, family, "_count", labels, None);
            let _ = writeln!(text, "{count}");
        }
        (Value::Histogram(_), Kind::Counter | Kind::Gauge) => {
            unreachable!("`Metrics::add` refuses a histogram for what is none")
        }
    }
}

/// The beginning of a line, up to the value.
fn line(text: &mut String, family: &Family, suffix: &str, labels: &[String], le: Option<&str>) {
    text.push_str(family.name);
    text.push_str(suffix);
    let named = family.labels.iter().copied().zip(labels.iter().map(String::as_str));
    let mut separator = '{';
    for (name, value) in named.chain(le.map(|le| ("le", le))) {
        let _ = write!(text, "{separator}{name}=\"");
        for character in value.chars() {
            match character {
                '\\' => text.push_str(r"\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str(r"\n"),
                other => text.push(other),
            }
        }
        text.push('"');
        separator = ',';
    }
    text.push_str(if separator == ',' { "} " } else { " " });
}

/// A number with its last `digits` after the point, without zeros at the end.
fn decimal(number: u128, digits: u32) -> String {
    let scale = 10u128.pow(digits);
    let text = format!("{}.{:0width$}", number / scale, number % scale, width = digits as usize);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests;
