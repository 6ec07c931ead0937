//! What is seldom anything but the usual: eight octets for it, and memory of its own only where it is another.
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::ops::{Deref, DerefMut};

/// A type with a value that it nearly always has.
pub trait Usual: Clone + PartialEq + 'static {
    /// That value.
    const USUAL: &'static Self;
}

impl<T: Clone + PartialEq + 'static> Usual for Option<T> {
    const USUAL: &'static Self = &None;
}

/// A value that is nearly always the usual one, which takes no memory. To change it makes room for it, so it is looked at first
/// where that is not called for.
#[derive(Clone)]
pub struct Rare<T>(Option<Box<T>>);

impl<T> Rare<T> {
    /// As it nearly always is.
    #[must_use]
    pub const fn usual() -> Self {
        Self(None)
    }
}

impl<T: Usual> Rare<T> {
    /// The value, where it is not the usual one.
    #[must_use]
    #[inline]
    pub fn told(&self) -> Option<&T> {
        self.0.as_deref().filter(|value| **value != *T::USUAL)
    }
}

impl<T> Default for Rare<T> {
    fn default() -> Self {
        Self::usual()
    }
}

impl<T: Usual> Deref for Rare<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::USUAL)
    }
}

impl<T: Usual> DerefMut for Rare<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_with(|| Box::new(T::USUAL.clone()))
    }
}

impl<T: Usual> From<T> for Rare<T> {
    fn from(value: T) -> Self {
        Self((value != *T::USUAL).then(|| Box::new(value)))
    }
}

impl<T: Usual> PartialEq for Rare<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Usual + Eq> Eq for Rare<T> {}

impl<T: Usual + fmt::Debug> fmt::Debug for Rare<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: Usual + Serialize> Serialize for Rare<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.told().serialize(serializer)
    }
}

impl<'a, T: Usual + Deserialize<'a>> Deserialize<'a> for Rare<T> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Option::<Box<T>>::deserialize(deserializer)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_takes_no_memory() {
        let mut rare: Rare<Option<u64>> = Rare::default();
        assert_eq!((*rare, size_of_val(&rare)), (None, 8));
        assert!(rare.is_none() && Rare::from(None) == rare && Rare::from(None::<u64>).0.is_none());
        *rare = Some(3);
        assert_eq!((rare.map(|n| n + 1), format!("{rare:?}")), (Some(4), "Some(3)".to_owned()));
        *rare = None;
        assert!(rare == Rare::usual() && rare.0.is_some(), "the room is kept, and compares alike");
    }
}
