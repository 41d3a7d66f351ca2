//! A macro the SDK builds its own enums with.

/// Writes methods of an enum that call the method of the same name on whichever variant is there.
#[macro_export]
macro_rules! enum_dispatch {
    ($variants:tt; $($(#[$attribute:meta])* $visibility:vis fn $name:ident $arguments:tt -> $returns:ty;)+) => {
        $($crate::enum_dispatch!(@method $variants [$(#[$attribute])*] $visibility $name $arguments $returns);)+
    };
    (@method $variants:tt [$($attributes:tt)*] $visibility:vis $name:ident
        ($receiver:ident: $type:ty $(, $argument:ident: $kind:ty)*) $returns:ty) => {
        $($attributes)*
        #[inline]
        $visibility fn $name($receiver: $type $(, $argument: $kind)*) -> $returns {
            $crate::enum_dispatch!(@arms $variants $receiver $name ($($argument),*))
        }
    };
    (@arms [$($variant:ident),+] $receiver:ident $name:ident $values:tt) => {
        match $receiver {
            $(Self::$variant(inner) => $crate::enum_dispatch!(@call inner $name $values),)+
        }
    };
    (@call $inner:ident $name:ident ($($value:ident),*)) => {
        $inner.$name($($value),*)
    };
}
