//! A slow inflate of the tests' own that measures how far back a stream reaches.
//!
//! zlib-rs holds 32 KiB whatever window it is asked for, so it cannot judge whether a smaller one would do.

/// What a raw deflate stream holds, and the longest distance of its matches.
pub(crate) fn inflate(stream: &[u8]) -> (Vec<u8>, usize) {
    let mut reader = Bits {
        bytes: stream,
        position: 0,
    };
    let mut out = Vec::new();
    let mut reach = 0;
    loop {
        let last = reader.take(1);
        match reader.take(2) {
            0 => stored(&mut reader, &mut out),
            1 => {
                let lengths: Vec<u8> = (0..288)
                    .map(|symbol| match symbol {
                        0..144 => 8,
                        144..256 => 9,
                        256..280 => 7,
                        _ => 8,
                    })
                    .collect();
                let codes = (Code::new(&lengths), Code::new(&[5; 30]));
                coded(&mut reader, &mut out, &codes.0, &codes.1, &mut reach);
            }
            2 => {
                let (literals, distances) = tables(&mut reader);
                coded(&mut reader, &mut out, &literals, &distances, &mut reach);
            }
            _ => panic!("block of type 3"),
        }
        if last == 1 {
            return (out, reach);
        }
    }
}

struct Bits<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> usize {
        (0..count).fold(0, |value, shift| {
            let bit = self.bytes[self.position / 8] >> (self.position % 8) & 1;
            self.position += 1;
            value | usize::from(bit) << shift
        })
    }
}

/// A canonical Huffman code: how many symbols there are of each length, and the symbols in order.
struct Code {
    counts: [usize; 16],
    symbols: Vec<usize>,
}

impl Code {
    fn new(lengths: &[u8]) -> Self {
        let mut counts = [0; 16];
        for length in lengths {
            counts[usize::from(*length)] += 1;
        }
        let symbols = (1..16)
            .flat_map(|bits| (0..lengths.len()).filter(move |symbol| usize::from(lengths[*symbol]) == bits))
            .collect();
        counts[0] = 0;
        Self { counts, symbols }
    }

    fn decode(&self, reader: &mut Bits<'_>) -> usize {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in &self.counts[1..] {
            code |= reader.take(1);
            if code < first + count {
                return self.symbols[index + code - first];
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        panic!("no such code");
    }
}

fn stored(reader: &mut Bits<'_>, out: &mut Vec<u8>) {
    reader.position = reader.position.next_multiple_of(8);
    let length = reader.take(16);
    assert_eq!(reader.take(16), !length & 0xffff);
    out.extend((0..length).map(|_| reader.take(8) as u8));
}

fn tables(reader: &mut Bits<'_>) -> (Code, Code) {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let (literals, distances) = (reader.take(5) + 257, reader.take(5) + 1);
    let mut lengths = [0; 19];
    for symbol in &ORDER[..reader.take(4) + 4] {
        lengths[*symbol] = reader.take(3) as u8;
    }
    let code = Code::new(&lengths);
    let mut lengths: Vec<u8> = Vec::new();
    while lengths.len() < literals + distances {
        let (value, times) = match code.decode(reader) {
            16 => (*lengths.last().unwrap(), 3 + reader.take(2)),
            17 => (0, 3 + reader.take(3)),
            18 => (0, 11 + reader.take(7)),
            literal => (literal as u8, 1),
        };
        lengths.resize(lengths.len() + times, value);
    }
    (Code::new(&lengths[..literals]), Code::new(&lengths[literals..]))
}

fn coded(reader: &mut Bits<'_>, out: &mut Vec<u8>, literals: &Code, distances: &Code, reach: &mut usize) {
    loop {
        let length = match literals.decode(reader) {
            literal @ 0..256 => {
                out.push(literal as u8);
                continue;
            }
            256 => return,
            285 => 258,
            symbol @ 257..265 => symbol - 254,
            symbol => {
                let extra = (symbol - 261) / 4;
                3 + ((4 + (symbol - 261) % 4) << extra) + reader.take(extra)
            }
        };
        let distance = match distances.decode(reader) {
            symbol @ 0..4 => symbol + 1,
            symbol => {
                let extra = symbol / 2 - 1;
                1 + ((2 + symbol % 2) << extra) + reader.take(extra)
            }
        };
        *reach = distance.max(*reach);
        for _ in 0..length {
            out.push(out[out.len() - distance]);
        }
    }
}
