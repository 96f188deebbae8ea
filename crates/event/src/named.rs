/// A text that names none of the values of an enum. Unknown values are errors, never defaults.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} {text:?}; expected one of {}", .expected.join(", "))]
pub struct UnknownName {
    /// What was being parsed, as `order status`.
    pub what: &'static str,
    /// The text that named nothing.
    pub text: String,
    /// Every name there is.
    pub expected: &'static [&'static str],
}

/// An enum whose values have one name each, for printing and for parsing.
macro_rules! named {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident as $what:literal {
            $($(#[$value_meta:meta])* $value:ident = $text:literal,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        $vis enum $name {
            $($(#[$value_meta])* $value,)+
        }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$value,)+];

            /// The name of this value: the one that it is parsed from.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $text,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::UnknownName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$value),)+
                    _ => Err($crate::UnknownName {
                        what: $what,
                        text: text.to_owned(),
                        expected: &[$($text,)+],
                    }),
                }
            }
        }
    };
}

pub(crate) use named;
