//! The tables as people read them.

use std::{fmt::Write as _, io};

use meltica_benches::{
    bars::{self, Bar, Group},
    page,
};

use crate::workloads::Workload;

/// What one contender took for one workload. Middle, least and greatest where there are three.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) nanos: (f64, f64, f64),
    /// To the first contender, within a round.
    pub(crate) ratio: (f64, f64, f64),
    /// What 99.9 % of single uses did not exceed.
    pub(crate) tail: Option<f64>,
    /// How many for each use.
    pub(crate) allocations: f64,
}

/// One workload with objects of one size.
pub(crate) struct Table {
    pub(crate) bytes: usize,
    pub(crate) workload: Workload,
    pub(crate) rows: Vec<Row>,
}

impl Table {
    pub(crate) fn markdown(&self) -> String {
        let title = self.workload.title();
        let mut text = format!(
            "### {} bytes: {title}\n\n| | ns | × the pool's | p99.9, ns | allocations |\n\
             | --- | ---: | ---: | ---: | ---: |\n",
            self.bytes
        );
        for row in &self.rows {
            let (nanos, least, greatest) = row.nanos;
            let (ratio, lowest, highest) = row.ratio;
            let tail = row.tail.map_or("".into(), |tail| format!("{tail:.0}"));
            // A growing queue allocates once in many uses; a hundredth of an allocation is no allocation.
            let allocations = format!("{:.2}", row.allocations);
            let _ = writeln!(
                text,
                "| {} | {nanos:.1} [{least:.1} to {greatest:.1}] | {ratio:.2} [{lowest:.2} to \
                 {highest:.2}] | {tail} | {allocations} |",
                row.name
            );
        }
        text
    }
}

/// Puts the tables in their place on the page, and draws the plot.
pub(crate) fn write(tables: &[Table], rounds: usize) -> io::Result<()> {
    let mut text = format!(
        "Median [least to greatest] of {rounds} interleaved rounds. The ratio is that to the pool's time in \
         the same round: above 1, the pool is quicker.\n\n![The pool beside the others](pools.svg)\n"
    );
    for table in tables {
        let _ = write!(text, "\n{}", table.markdown());
    }
    let group = |table: &Table| Group {
        title: format!("{} bytes: {}", table.bytes, table.workload.title()),
        bars: table.rows.iter().map(|row| Bar { name: row.name, nanos: row.nanos }).collect(),
    };
    let groups: Vec<_> = tables.iter().map(group).collect();
    bars::draw(&groups, 1.0, &page::plot("pools.svg"))?;
    page::write("pools", &text)
}
