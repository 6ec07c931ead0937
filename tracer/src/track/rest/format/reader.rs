//! Octets to values. Any octets: what nobody wrote is an error.
use super::{Before, Meaning, Unwritten, unfolded};
use serde::de::{self, DeserializeSeed, IntoDeserializer as _, Visitor};

/// Gives values out of octets.
pub(super) struct Reader<'a> {
    pub octets: &'a [u8],
    pub before: Before,
}

impl<'a> Reader<'a> {
    /// Most numbers are small, most of them 0.
    #[inline]
    fn any(&mut self) -> Result<u128, Unwritten> {
        match self.octets.split_first() {
            Some((&octet, rest)) if octet < 0x80 => {
                self.octets = rest;
                Ok(octet.into())
            }
            _ => self.large(),
        }
    }

    #[inline(never)]
    fn large(&mut self) -> Result<u128, Unwritten> {
        // Nine octets fit into one word.
        let (mut n, few) = (0_u64, self.octets.get(..9).unwrap_or(self.octets));
        for (place, &octet) in few.iter().enumerate() {
            n |= u64::from(octet & 0x7f) << (7 * place);
            if octet < 0x80 {
                self.octets = self.octets.get(place + 1..).unwrap_or_default();
                return Ok(n.into());
            }
        }
        self.huge()
    }

    #[cold]
    fn huge(&mut self) -> Result<u128, Unwritten> {
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

    #[inline]
    fn number<N: TryFrom<u128> + From<u8>>(&mut self) -> Result<N, Unwritten> {
        match self.octets.split_first() {
            Some((&octet, rest)) if octet < 0x80 => {
                self.octets = rest;
                Ok(octet.into())
            }
            _ => N::try_from(self.large()?).map_err(|_| Unwritten),
        }
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

    #[inline]
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

    #[inline]
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
        $(#[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unwritten> {
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

    #[inline]
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unwritten> {
        visitor.visit_bool(self.number::<u8>()? != 0)
    }

    #[inline]
    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unwritten> {
        visitor.visit_i64(if self.before.takes(Meaning::Time) { self.time()? } else { self.signed()? })
    }

    #[inline]
    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unwritten> {
        visitor.visit_u32(if self.before.takes(Meaning::Seq) { self.seq()? } else { self.number()? })
    }

    #[inline]
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

    #[inline]
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

    #[inline]
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

    #[inline]
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

    #[inline]
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
