/// Which folders of `crates/` a rule applies to; a trailing `*` stands for any ending.
pub(crate) enum Scope {
    Everywhere,
    Only(&'static [&'static str]),
    Except(&'static [&'static str]),
}

impl Scope {
    pub(crate) fn contains(&self, folder: &str) -> bool {
        let listed = |patterns: &[&str]| {
            patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
                Some(start) => folder.starts_with(start),
                None => folder == *pattern,
            })
        };
        match self {
            Scope::Everywhere => true,
            Scope::Only(patterns) => listed(patterns),
            Scope::Except(patterns) => !listed(patterns),
        }
    }
}
