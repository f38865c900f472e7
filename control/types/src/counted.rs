//! One way to declare things that are counted.

/// Declares an enum of counted things, each once: variant, stable name, and what it means to an operator.
///
/// The enum gets `ALL` and `COUNT`, and per variant `name()` and `describe()`. Its discriminants number the
/// counters. Names are stable, in kebab case: they are counter names.
#[macro_export]
macro_rules! counted {
    ($(#[$doc:meta])* $type:ident { $($variant:ident $name:literal $what:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $type {
            $(#[doc = $what] $variant,)*
        }

        impl $type {
            /// Every one, in the order of its counter.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The counter's stable name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it means, in a phrase for an operator.
            pub const fn describe(self) -> &'static str {
                match self { $(Self::$variant => $what,)* }
            }
        }
    };
}
