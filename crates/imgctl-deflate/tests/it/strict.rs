//! A slow inflate of the tests' own: it refuses what any decoder might refuse, and every distance above 4 KiB.
//!
//! zlib-rs holds 32 KiB whatever window it is asked for, so it cannot judge whether a smaller one would do.

/// What a raw deflate stream holds, how many of its bytes the stream has, and the kinds of its blocks.
pub(crate) fn inflate(stream: &[u8]) -> (Vec<u8>, usize, Vec<usize>) {
    let mut bits = Bits {
        bytes: stream,
        position: 0,
    };
    let mut out = Vec::new();
    let mut kinds = Vec::new();
    loop {
        let last = bits.take(1);
        let kind = bits.take(2);
        kinds.push(kind);
        match kind {
            0 => stored(&mut bits, &mut out),
            1 => {
                let lengths: Vec<u8> = [(8, 144), (9, 112), (7, 24), (8, 8)]
                    .iter()
                    .flat_map(|&(length, times)| vec![length; times])
                    .collect();
                coded(&mut bits, &mut out, [&lengths, &[5; 32]]);
            }
            2 => {
                let (litlen, dist) = described(&mut bits);
                coded(&mut bits, &mut out, [&litlen, &dist]);
            }
            _ => panic!("a block of kind 3"),
        }
        if last == 1 {
            let end = bits.position.next_multiple_of(8);
            let rest = bits.take(end - bits.position);
            assert_eq!(rest, 0, "bits behind the end");
            return (out, end / 8, kinds);
        }
    }
}

struct Bits<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> usize {
        let mut value = 0;
        for shift in 0..count {
            let byte = self.bytes[self.position / 8];
            value |= usize::from(byte >> (self.position % 8) & 1) << shift;
            self.position += 1;
        }
        value
    }
}

/// A complete prefix code: by length, the first code of that length, and the symbols that have it.
struct Code {
    lengths: Vec<(usize, Vec<usize>)>,
}

impl Code {
    fn new(of_symbols: &[u8]) -> Self {
        let mut lengths = Vec::new();
        let mut next = 0;
        for length in 1..16 {
            next <<= 1;
            let symbols: Vec<usize> = (0..of_symbols.len())
                .filter(|&symbol| of_symbols[symbol] == length)
                .collect();
            let count = symbols.len();
            lengths.push((next, symbols));
            next += count;
        }
        assert_eq!(next, 1 << 15, "a code that is not complete");
        Self { lengths }
    }

    fn decode(&self, bits: &mut Bits<'_>) -> usize {
        let mut code = 0;
        for (first, symbols) in &self.lengths {
            code = code << 1 | bits.take(1);
            if let Some(symbol) = symbols.get(code - first) {
                return *symbol;
            }
        }
        unreachable!("complete codes have no gaps");
    }
}

fn stored(bits: &mut Bits<'_>, out: &mut Vec<u8>) {
    let padding = bits.position.next_multiple_of(8) - bits.position;
    assert_eq!(bits.take(padding), 0);
    let length = bits.take(16);
    assert_eq!(bits.take(16), length ^ 0xffff);
    for _ in 0..length {
        out.push(bits.take(8) as u8);
    }
}

fn described(bits: &mut Bits<'_>) -> (Vec<u8>, Vec<u8>) {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let litlen = bits.take(5) + 257;
    let dist = bits.take(5) + 1;
    assert!(litlen <= 286 && dist <= 30);
    let mut of_code = [0; 19];
    for place in &ORDER[..bits.take(4) + 4] {
        of_code[*place] = bits.take(3) as u8;
    }
    let code = Code::new(&of_code);
    let mut lengths = Vec::new();
    while lengths.len() < litlen + dist {
        let (length, times) = match code.decode(bits) {
            16 => (*lengths.last().unwrap(), 3 + bits.take(2)),
            17 => (0, 3 + bits.take(3)),
            18 => (0, 11 + bits.take(7)),
            length => (length as u8, 1),
        };
        lengths.extend(vec![length; times]);
    }
    assert_eq!(lengths.len(), litlen + dist);
    let dist = lengths.split_off(litlen);
    assert!(lengths[256] > 0, "no end of the block");
    (lengths, dist)
}

fn coded(bits: &mut Bits<'_>, out: &mut Vec<u8>, [litlen, dist]: [&[u8]; 2]) {
    let (litlen, dist) = (Code::new(litlen), Code::new(dist));
    loop {
        let length = match litlen.decode(bits) {
            literal @ 0..256 => {
                out.push(literal as u8);
                continue;
            }
            256 => return,
            symbol @ 257..265 => symbol - 254,
            285 => 258,
            symbol @ 265..285 => {
                let extra = (symbol - 261) / 4;
                3 + ((4 + (symbol - 261) % 4) << extra) + bits.take(extra)
            }
            symbol => panic!("symbol {symbol}"),
        };
        let distance = match dist.decode(bits) {
            symbol @ 0..4 => symbol + 1,
            symbol @ 4..24 => {
                let extra = symbol / 2 - 1;
                1 + ((2 + symbol % 2) << extra) + bits.take(extra)
            }
            symbol => panic!("the symbol {symbol} of a distance"),
        };
        assert!(distance <= 4096, "reaches back {distance} bytes");
        assert!(distance <= out.len(), "reaches before the start");
        for _ in 0..length {
            out.push(out[out.len() - distance]);
        }
    }
}
