//! Values to octets.
use super::{Before, Meaning, Unwritten, folded};
use serde::{Serialize, ser};

/// Takes values in and keeps their octets.
pub(super) struct Writer {
    pub out: Vec<u8>,
    pub before: Before,
}

impl Writer {
    /// Most numbers are small, most of them 0.
    #[inline]
    fn number(&mut self, n: u64) {
        if n < 0x80 {
            self.out.push(n as u8);
        } else {
            self.large(n);
        }
    }

    #[inline(never)]
    fn large(&mut self, mut n: u64) {
        while n > 0x7f {
            self.out.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.out.push(n as u8);
    }

    #[cold]
    fn huge(&mut self, mut n: u128) {
        while n > 0x7f {
            self.out.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.out.push(n as u8);
    }

    fn length(&mut self, len: Option<usize>) -> Result<(), Unwritten> {
        self.number(len.ok_or(Unwritten)? as u64);
        Ok(())
    }
}

macro_rules! plain_numbers {
    ($($method:ident: $number:ty),+) => {
        $(#[inline]
        fn $method(self, n: $number) -> Result<(), Unwritten> {
            self.number(n.into());
            Ok(())
        })+
    };
}

macro_rules! signed_numbers {
    ($($method:ident: $number:ty),+) => {
        $(fn $method(self, n: $number) -> Result<(), Unwritten> {
            self.number(folded(n.into()));
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

    plain_numbers!(serialize_bool: bool, serialize_u8: u8, serialize_u16: u16, serialize_char: char);
    signed_numbers!(serialize_i8: i8, serialize_i16: i16, serialize_i32: i32);

    #[inline]
    fn serialize_i64(self, n: i64) -> Result<(), Unwritten> {
        if !self.before.takes(Meaning::Time) {
            self.number(folded(n));
        } else if n == 0 || n == i64::MAX {
            self.number(u64::from(n != 0));
        } else {
            let far = n.wrapping_sub(self.before.time);
            self.before.time = n;
            match folded(far).checked_add(2) {
                Some(far) => self.number(far),
                None => self.huge(u128::from(folded(far)) + 2),
            }
        }
        Ok(())
    }

    #[inline]
    fn serialize_u32(self, n: u32) -> Result<(), Unwritten> {
        if !self.before.takes(Meaning::Seq) || n == 0 {
            self.number(n.into());
        } else {
            let far = n.wrapping_sub(self.before.seq) as i32;
            self.before.seq = n;
            self.number(folded(far.into()) + 1);
        }
        Ok(())
    }

    #[inline]
    fn serialize_u64(self, n: u64) -> Result<(), Unwritten> {
        if !std::mem::take(&mut self.before.frame) || n == 0 {
            self.number(n);
        } else {
            let far = n.wrapping_sub(self.before.number) as i64;
            self.before.number = n;
            match folded(far).checked_add(1) {
                Some(far) => self.number(far),
                None => self.huge(u128::from(folded(far)) + 1),
            }
        }
        Ok(())
    }

    fn serialize_u128(self, n: u128) -> Result<(), Unwritten> {
        self.huge(n);
        Ok(())
    }

    fn serialize_f32(self, n: f32) -> Result<(), Unwritten> {
        self.number(n.to_bits().into());
        Ok(())
    }

    fn serialize_f64(self, n: f64) -> Result<(), Unwritten> {
        self.number(n.to_bits());
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

    #[inline]
    fn serialize_none(self) -> Result<(), Unwritten> {
        self.serialize_bool(false)
    }

    #[inline]
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

    #[inline]
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

            #[inline]
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
