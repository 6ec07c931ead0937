//! How a connection is written down: its values one after the other, without names (as postcard does), numbers in as many octets
//! as they need. Times, sequence numbers and frames' numbers, of which most of it is made, are near each other: each is written as
//! its distance from the one before. What is not set (0, or a time that never comes) is no step on that way.
use serde::de::{self, DeserializeSeed, IntoDeserializer as _, Visitor};
use serde::{Deserialize, Serialize, ser};
use std::fmt;

/// Appends a value to `out`. `near`: a time and a frame's number that the first ones are near.
pub fn write(value: &impl Serialize, near: (i64, u64), out: Vec<u8>) -> Result<Vec<u8>, Unwritten> {
    let mut writer = Writer { out, before: Before::near(near) };
    value.serialize(&mut writer)?;
    Ok(writer.out)
}

/// The value that was written so, and what stands behind it.
pub fn read<'a, T: Deserialize<'a>>(octets: &'a [u8], near: (i64, u64)) -> Result<(T, &'a [u8]), Unwritten> {
    let mut reader = Reader { octets, before: Before::near(near) };
    Ok((T::deserialize(&mut reader)?, reader.octets))
}

/// A value that can't be written, or octets that nobody wrote.
#[derive(Debug)]
pub struct Unwritten;

impl fmt::Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no connection as it is written down")
    }
}

impl std::error::Error for Unwritten {}

impl ser::Error for Unwritten {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

impl de::Error for Unwritten {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// What the next integer is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Plain,
    Time,
    Seq,
}

/// The last ones of each kind, and what comes.
struct Before {
    time: i64,
    number: u64,
    seq: u32,
    meaning: Meaning,
    /// The next number of 64 bits is a frame's.
    frame: bool,
}

impl Before {
    const fn near((time, number): (i64, u64)) -> Self {
        Self { time, number, seq: 0, meaning: Meaning::Plain, frame: false }
    }

    /// A value with a name of its own begins.
    fn begins(&mut self, name: &str) {
        match name {
            "Timestamp" => self.meaning = Meaning::Time,
            "Seq" => self.meaning = Meaning::Seq,
            "FrameRef" => self.frame = true,
            _ => {}
        }
    }

    fn takes(&mut self, meaning: Meaning) -> bool {
        let same = self.meaning == meaning;
        self.meaning = Meaning::Plain;
        same
    }
}

/// Small whatever the sign.
const fn folded(n: i64) -> u64 {
    (n << 1 ^ n >> 63) as u64
}

const fn unfolded(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

struct Writer {
    out: Vec<u8>,
    before: Before,
}

impl Writer {
    fn number(&mut self, mut n: u128) {
        while n > 0x7f {
            self.out.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.out.push(n as u8);
    }

    fn length(&mut self, len: Option<usize>) -> Result<(), Unwritten> {
        self.number(len.ok_or(Unwritten)? as u128);
        Ok(())
    }
}

macro_rules! plain_numbers {
    ($($method:ident: $number:ty),+) => {
        $(fn $method(self, n: $number) -> Result<(), Unwritten> {
            self.number(n.into());
            Ok(())
        })+
    };
}

macro_rules! signed_numbers {
    ($($method:ident: $number:ty),+) => {
        $(fn $method(self, n: $number) -> Result<(), Unwritten> {
            self.number(folded(n.into()).into());
            Ok(())
        })+
    };
}

impl ser::Serializer for &mut Writer {
    type Ok = ();
    type Error = Unwritten;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    plain_numbers!(serialize_bool: bool, serialize_u8: u8, serialize_u16: u16, serialize_char: char, serialize_u128: u128);
    signed_numbers!(serialize_i8: i8, serialize_i16: i16, serialize_i32: i32);

    fn serialize_i64(self, n: i64) -> Result<(), Unwritten> {
        if !self.before.takes(Meaning::Time) {
            self.number(folded(n).into());
        } else if n == 0 || n == i64::MAX {
            self.number(u128::from(n != 0));
        } else {
            let far = n.wrapping_sub(self.before.time);
            self.before.time = n;
            self.number(u128::from(folded(far)) + 2);
        }
        Ok(())
    }

    fn serialize_u32(self, n: u32) -> Result<(), Unwritten> {
        if !self.before.takes(Meaning::Seq) || n == 0 {
            self.number(n.into());
        } else {
            let far = n.wrapping_sub(self.before.seq) as i32;
            self.before.seq = n;
            self.number(u128::from(folded(far.into())) + 1);
        }
        Ok(())
    }

    fn serialize_u64(self, n: u64) -> Result<(), Unwritten> {
        if !std::mem::take(&mut self.before.frame) || n == 0 {
            self.number(n.into());
        } else {
            let far = n.wrapping_sub(self.before.number) as i64;
            self.before.number = n;
            self.number(u128::from(folded(far)) + 1);
        }
        Ok(())
    }

    fn serialize_f32(self, n: f32) -> Result<(), Unwritten> {
        self.number(n.to_bits().into());
        Ok(())
    }

    fn serialize_f64(self, n: f64) -> Result<(), Unwritten> {
        self.number(n.to_bits().into());
        Ok(())
    }

    fn serialize_str(self, text: &str) -> Result<(), Unwritten> {
        self.serialize_bytes(text.as_bytes())
    }

    fn serialize_bytes(self, octets: &[u8]) -> Result<(), Unwritten> {
        self.length(Some(octets.len()))?;
        self.out.extend_from_slice(octets);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Unwritten> {
        self.serialize_bool(false)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Unwritten> {
        self.number(1);
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Unwritten> {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Unwritten> {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, variant: u32, _: &'static str) -> Result<(), Unwritten> {
        self.number(variant.into());
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Unwritten> {
        self.before.begins(name);
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        variant: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Unwritten> {
        self.number(variant.into());
        value.serialize(self)
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self, Unwritten> {
        self.length(len)?;
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Unwritten> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Unwritten> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        variant: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Unwritten> {
        self.number(variant.into());
        Ok(self)
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self, Unwritten> {
        self.length(len)?;
        Ok(self)
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Self, Unwritten> {
        self.before.begins(name);
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        variant: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Unwritten> {
        self.number(variant.into());
        Ok(self)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// What is made of several values is written as they come.
macro_rules! one_by_one {
    ($($of:ident: $method:ident($($name:ident)?)),+) => {
        $(impl ser::$of for &mut Writer {
            type Ok = ();
            type Error = Unwritten;

            fn $method<T: Serialize + ?Sized>(&mut self, $($name: &'static str,)? value: &T) -> Result<(), Unwritten> {
                $(let _ = $name;)?
                value.serialize(&mut **self)
            }

            fn end(self) -> Result<(), Unwritten> {
                Ok(())
            }
        })+
    };
}

one_by_one!(
    SerializeSeq: serialize_element(),
    SerializeTuple: serialize_element(),
    SerializeTupleStruct: serialize_field(),
    SerializeTupleVariant: serialize_field(),
    SerializeStruct: serialize_field(_name),
    SerializeStructVariant: serialize_field(_name)
);

impl ser::SerializeMap for &mut Writer {
    type Ok = ();
    type Error = Unwritten;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unwritten> {
        key.serialize(&mut **self)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritten> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), Unwritten> {
        Ok(())
    }
}

struct Reader<'a> {
    octets: &'a [u8],
    before: Before,
}

impl<'a> Reader<'a> {
    fn any(&mut self) -> Result<u128, Unwritten> {
        let (mut n, mut shift) = (0, 0);
        loop {
            let (&octet, rest) = self.octets.split_first().ok_or(Unwritten)?;
            self.octets = rest;
            n |= u128::from(octet & 0x7f).checked_shl(shift).ok_or(Unwritten)?;
            if octet < 0x80 {
                return Ok(n);
            }
            shift += 7;
        }
    }

    fn number<N: TryFrom<u128>>(&mut self) -> Result<N, Unwritten> {
        N::try_from(self.any()?).map_err(|_| Unwritten)
    }

    fn signed<N: TryFrom<i64>>(&mut self) -> Result<N, Unwritten> {
        N::try_from(unfolded(self.number()?)).map_err(|_| Unwritten)
    }

    fn slice(&mut self) -> Result<&'a [u8], Unwritten> {
        let len = self.number()?;
        let (slice, rest) = self.octets.split_at_checked(len).ok_or(Unwritten)?;
        self.octets = rest;
        Ok(slice)
    }

    fn time(&mut self) -> Result<i64, Unwritten> {
        Ok(match self.any()? {
            0 => 0,
            1 => i64::MAX,
            far => {
                let far = u64::try_from(far - 2).map_err(|_| Unwritten)?;
                self.before.time = self.before.time.wrapping_add(unfolded(far));
                self.before.time
            }
        })
    }

    fn seq(&mut self) -> Result<u32, Unwritten> {
        Ok(match self.number::<u64>()? {
            0 => 0,
            far => {
                let far = i32::try_from(unfolded(far - 1)).map_err(|_| Unwritten)?;
                self.before.seq = self.before.seq.wrapping_add_signed(far);
                self.before.seq
            }
        })
    }

    fn frame(&mut self) -> Result<u64, Unwritten> {
        Ok(match self.any()? {
            0 => 0,
            far => {
                let far = u64::try_from(far - 1).map_err(|_| Unwritten)?;
                self.before.number = self.before.number.wrapping_add_signed(unfolded(far));
                self.before.number
            }
        })
    }
}

macro_rules! read_numbers {
    ($($method:ident: $visit:ident, $read:ident),+) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unwritten> {
            visitor.$visit(self.$read()?)
        })+
    };
}

impl<'de> de::Deserializer<'de> for &mut Reader<'de> {
    type Error = Unwritten;

    read_numbers!(
        deserialize_u8: visit_u8, number,
        deserialize_u16: visit_u16, number,
        deserialize_u128: visit_u128, number,
        deserialize_i8: visit_i8, signed,
        deserialize_i16: visit_i16, signed,
        deserialize_i32: visit_i32, signed,
        deserialize_bytes: visit_borrowed_bytes, slice,
        deserialize_byte_buf: visit_borrowed_bytes, slice
    );

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Unwritten> {
        Err(Unwritten)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unwritten> {
        visitor.visit_bool(self.number::<u8>()? != 0)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unwritten> {
        visitor.visit_i64(if self.before.takes(Meaning::Time) { self.time()? } else { self.signed()? })
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unwritten> {
        visitor.visit_u32(if self.before.takes(Meaning::Seq) { self.seq()? } else { self.number()? })
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unwritten> {
        visitor.visit_u64(if std::mem::take(&mut self.before.frame) { self.frame()? } else { self.number()? })
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unwritten> {
        visitor.visit_f32(f32::from_bits(self.number()?))
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unwritten> {
        visitor.visit_f64(f64::from_bits(self.number()?))
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unwritten> {
        visitor.visit_char(char::from_u32(self.number()?).ok_or(Unwritten)?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unwritten> {
        visitor.visit_borrowed_str(std::str::from_utf8(self.slice()?).map_err(|_| Unwritten)?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unwritten> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unwritten> {
        if self.number::<u8>()? == 0 { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unwritten> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unwritten> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unwritten> {
        self.before.begins(name);
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unwritten> {
        let left = self.number()?;
        visitor.visit_seq(Several { reader: self, left })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, left: usize, visitor: V) -> Result<V::Value, Unwritten> {
        visitor.visit_seq(Several { reader: self, left })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        left: usize,
        visitor: V,
    ) -> Result<V::Value, Unwritten> {
        visitor.visit_seq(Several { reader: self, left })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unwritten> {
        let left = self.number()?;
        visitor.visit_map(Several { reader: self, left })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unwritten> {
        self.before.begins(name);
        visitor.visit_seq(Several { reader: self, left: fields.len() })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unwritten> {
        visitor.visit_enum(self)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Unwritten> {
        Err(Unwritten)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Unwritten> {
        Err(Unwritten)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// Values of one list, structure or map.
struct Several<'r, 'de> {
    reader: &'r mut Reader<'de>,
    left: usize,
}

impl<'de> de::SeqAccess<'de> for Several<'_, 'de> {
    type Error = Unwritten;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Unwritten> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> de::MapAccess<'de> for Several<'_, 'de> {
    type Error = Unwritten;

    fn next_key_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Unwritten> {
        de::SeqAccess::next_element_seed(self, seed)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Unwritten> {
        seed.deserialize(&mut *self.reader)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> de::EnumAccess<'de> for &mut Reader<'de> {
    type Error = Unwritten;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), Unwritten> {
        let variant: u32 = self.number()?;
        Ok((seed.deserialize(variant.into_deserializer())?, self))
    }
}

impl<'de> de::VariantAccess<'de> for &mut Reader<'de> {
    type Error = Unwritten;

    fn unit_variant(self) -> Result<(), Unwritten> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Unwritten> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, left: usize, visitor: V) -> Result<V::Value, Unwritten> {
        visitor.visit_seq(Several { reader: self, left })
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unwritten> {
        visitor.visit_seq(Several { reader: self, left: fields.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Seq, Timestamp};
    use crate::event::{FrameRef, Mark};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
    enum Kind {
        Nothing,
        One(Seq),
        Two(i8, u128),
        Three { text: String, number: u64 },
    }

    #[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
    struct All {
        marks: Vec<Option<Mark>>,
        times: Vec<Timestamp>,
        kinds: Vec<Kind>,
        pair: (bool, char, i16, i32, i64),
        map: BTreeMap<u16, Seq>,
        number: f64,
        nothing: (),
        large: u64,
        boxed: Box<[u8]>,
    }

    fn time() -> impl Strategy<Value = Timestamp> {
        prop_oneof![any::<i64>(), Just(0), Just(i64::MAX), Just(i64::MIN), 0..9_i64].prop_map(Timestamp)
    }

    fn mark() -> impl Strategy<Value = Mark> {
        (time(), any::<u32>(), prop_oneof![any::<u64>(), 0..5_u64])
            .prop_map(|(at, capture, number)| Mark { at, frame: FrameRef { capture, number } })
    }

    fn kind() -> impl Strategy<Value = Kind> {
        prop_oneof![
            Just(Kind::Nothing),
            any::<u32>().prop_map(|n| Kind::One(Seq(n))),
            (any::<i8>(), any::<u128>()).prop_map(|(a, b)| Kind::Two(a, b)),
            (".{0,9}", any::<u64>()).prop_map(|(text, number)| Kind::Three { text, number }),
        ]
    }

    fn all() -> impl Strategy<Value = All> {
        let first = (
            proptest::collection::vec(proptest::option::of(mark()), 0..9),
            proptest::collection::vec(time(), 0..9),
            proptest::collection::vec(kind(), 0..9),
            any::<(bool, char, i16, i32, i64)>(),
            proptest::collection::btree_map(any::<u16>(), any::<u32>().prop_map(Seq), 0..5),
        );
        let second = (-1e9..1e9_f64, any::<u64>(), proptest::collection::vec(any::<u8>(), 0..9));
        (first, second).prop_map(|((marks, times, kinds, pair, map), (number, large, boxed))| All {
            marks,
            times,
            kinds,
            pair,
            map,
            number,
            nothing: (),
            large,
            boxed: boxed.into(),
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(all in all(), near in any::<(i64, u64)>()) {
            let written = write(&all, near, Vec::new()).map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert_eq!(read::<All>(&written, near).ok(), Some((all, &b""[..])));
            // A part of it is no whole, and breaks nothing.
            for len in 0..written.len() {
                prop_assert!(read::<All>(&written[..len], near).is_err());
            }
        }

        #[test]
        fn anything_may_be_read(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read::<All>(&octets, (0, 0));
        }
    }

    #[test]
    fn times_that_are_near_take_few_octets() {
        let mark = |ns: i64, number| Mark {
            at: Timestamp(1_795_348_994_000_000_000 + ns),
            frame: FrameRef { capture: 0, number },
        };
        let marks = [mark(0, 70_000), mark(400, 70_002), mark(0, 70_000), mark(60_000, 70_010)];
        let written = write(&marks, (marks[0].at.0, 70_000), Vec::new()).unwrap_or_default();
        assert!(written.len() <= 4 * 5, "{} octets", written.len());
    }
}
