//! CRC-16 (reflected polynomial 0xA001), the group descriptors' sum on filesystems with `uninit_bg` only.

/// Goes on with the CRC-16 `sum` over `bytes`. Chains start from 0xFFFF; nothing is inverted at the end.
pub(crate) fn crc16(sum: u16, bytes: &[u8]) -> u16 {
    let mut sum = sum;
    for byte in bytes {
        sum ^= u16::from(*byte);
        for _ in 0..8 {
            let carry = sum & 1 == 1;
            sum >>= 1;
            if carry {
                sum ^= 0xa001;
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_is_that_of_crc16_modbus() {
        assert_eq!(crc16(u16::MAX, b"123456789"), 0x4b37);
        assert_eq!(crc16(crc16(u16::MAX, b"1234"), b"56789"), 0x4b37);
    }
}
