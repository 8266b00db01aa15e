//! Elements of DER (X.690, 8.1 and 10.1): a tag, a length, and so many bytes.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const UTC_TIME: u8 = 0x17;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// One element.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Element<'b> {
    pub(super) tag: u8,
    pub(super) content: &'b [u8],
    /// Tag, length and content.
    pub(super) whole: &'b [u8],
}

/// The elements that lie one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elements<'b>(pub(super) &'b [u8]);

impl<'b> Elements<'b> {
    /// The next element; `None` at the end, and where the bytes are none.
    pub(super) fn next(&mut self) -> Option<Element<'b>> {
        let (tag, rest) = self.0.split_first()?;
        // Tags of several bytes have no place in certificates.
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(*first), rest),
            0x81..=0x84 => {
                let digits = usize::from(first & 0x7f);
                let (digits, rest) = rest.split_at_checked(digits)?;
                let length = digits
                    .iter()
                    .fold(0_u32, |length, digit| length << 8 | u32::from(*digit));
                (usize::try_from(length).ok()?, rest)
            }
            _ => return None,
        };
        let (content, after) = rest.split_at_checked(length)?;
        let whole = self.0.get(..self.0.len().checked_sub(after.len())?)?;
        self.0 = after;
        Some(Element {
            tag: *tag,
            content,
            whole,
        })
    }

    /// The next element, if it has this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Option<Element<'b>> {
        self.next().filter(|element| element.tag == tag)
    }

    /// The next element, if it has this tag; otherwise it stays.
    pub(super) fn optional(&mut self, tag: u8) -> Option<Element<'b>> {
        let before = *self;
        let element = self.expect(tag);
        if element.is_none() {
            *self = before;
        }
        element
    }
}

impl<'b> Element<'b> {
    /// What it is made of.
    pub(super) fn inner(&self) -> Elements<'b> {
        Elements(self.content)
    }
}

/// An element's bytes.
pub(super) fn encode(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let digits: Vec<u8> = length.iter().copied().skip_while(|digit| *digit == 0).collect();
    let mut whole = vec![tag];
    match (u8::try_from(content.len()), u8::try_from(digits.len())) {
        (Ok(short @ 0..=0x7f), _) => whole.push(short),
        (_, Ok(count)) => {
            whole.push(0x80 | count);
            whole.extend(digits);
        }
        // A length has no more than eight digits.
        _ => {}
    }
    whole.extend_from_slice(content);
    whole
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test may fail")]
mod tests {
    use super::*;

    #[test]
    fn lengths_in_every_form() {
        for length in [0_usize, 1, 127, 128, 255, 256, 70_000] {
            let content = vec![7; length];
            let whole = encode(SEQUENCE, &content);
            let mut elements = Elements(&whole);
            let element = elements.next().unwrap();
            assert_eq!(
                (element.tag, element.content.len(), element.whole.len()),
                (SEQUENCE, length, whole.len())
            );
            assert!(elements.next().is_none());
            for cut in 0..whole.len().min(8) {
                assert!(Elements(&whole[..cut]).next().is_none());
            }
        }
        assert!(
            Elements(&[0x30, 0x80, 0, 0]).next().is_none(),
            "an indefinite length is not DER"
        );
        assert!(Elements(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]).next().is_none());
    }
}
