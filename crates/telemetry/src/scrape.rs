use std::collections::BTreeMap;

use meltica_stats::Snapshot;

use crate::Family;

/// What a metric is at the moment.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of a counter or a gauge.
    Number(u64),
    /// Of a counter or a gauge that is a time: nanoseconds, rendered as seconds.
    Time(u64),
    /// Of a counter, with the trace number of the last thing that it counts: an exemplar, in OpenMetrics.
    Traced {
        /// The count.
        number: u64,
        /// The trace number.
        trace: u64,
    },
    /// Of a histogram, in its unit's measure: nanoseconds, or hundredths.
    Histogram(Snapshot),
}

impl Value {
    /// The count or measure; of a histogram, none.
    fn number(&self) -> u64 {
        match self {
            Self::Number(number) | Self::Time(number) | Self::Traced { number, .. } => *number,
            Self::Histogram(_) => 0,
        }
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<Snapshot> for Value {
    fn from(snapshot: Snapshot) -> Self {
        Self::Histogram(snapshot)
    }
}

/// What has been read so far: by family and labels, each once.
#[derive(Default)]
pub(crate) struct Scrape {
    families: BTreeMap<&'static str, BTreeMap<Vec<String>, Value>>,
}

impl Scrape {
    /// Adds a value. Where these labels have one already, as when a consumer left and came back under
    /// its name, the two are added up: a series may occur once only.
    pub(crate) fn add(&mut self, family: &'static Family, labels: &[&str], value: Value) {
        debug_assert_eq!(family.labels.len(), labels.len(), "{}", family.name);
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        let rows = self.families.entry(family.name).or_default();
        match rows.entry(labels) {
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(value);
            }
            std::collections::btree_map::Entry::Occupied(mut held) => match (held.get_mut(), value)
            {
                (Value::Time(held), Value::Time(more)) => *held = held.saturating_add(more),
                (Value::Number(held) | Value::Traced { number: held, .. }, Value::Number(more)) => {
                    *held = held.saturating_add(more);
                }
                (Value::Histogram(held), Value::Histogram(more)) => held.merge(&more),
                (held, Value::Traced { number, trace }) => {
                    let before = held.number();
                    *held = Value::Traced { number: number.saturating_add(before), trace };
                }
                (held, value) => *held = value,
            },
        }
    }

    /// The series of a family, in order of their labels.
    pub(crate) fn of(&self, family: &Family) -> impl Iterator<Item = (&[String], &Value)> {
        let rows = self.families.get(family.name).into_iter().flatten();
        rows.map(|(labels, value)| (&labels[..], value))
    }
}
