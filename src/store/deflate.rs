//! Deflating what is large and seldom read. The same bytes always give the same bytes.

use std::io::Read;

use flate2::{Compression, bufread::ZlibDecoder, bufread::ZlibEncoder};

use super::{Result, StoreError};

/// Most bytes a stored value may inflate to: several times the facts of the largest change that GitHub shows
/// (3,000 files), and small enough that a damaged row cannot exhaust the memory.
pub const INFLATED_LIMIT: usize = 64 << 20;

/// Fixed for good, so that bytes stay comparable; level 6 is where more effort stops paying for JSON.
const LEVEL: u32 = 6;

/// Deflates `plain` (zlib format, with its checksum).
pub fn compress(plain: &[u8]) -> Vec<u8> {
    let mut deflated = Vec::new();
    ZlibEncoder::new(plain, Compression::new(LEVEL)).read_to_end(&mut deflated).expect("memory can be read to its end");
    deflated
}

/// Inflates what [`compress`] gave.
///
/// # Errors
/// [`StoreError::TooLarge`] past [`INFLATED_LIMIT`], [`StoreError::Unreadable`] if the bytes are damaged.
pub fn decompress(deflated: &[u8]) -> Result<Vec<u8>> {
    inflate(deflated, INFLATED_LIMIT)
}

fn inflate(deflated: &[u8], limit: usize) -> Result<Vec<u8>> {
    let mut plain = Vec::new();
    let mut decoder = ZlibDecoder::new(deflated).take(limit as u64 + 1);
    decoder.read_to_end(&mut plain).map_err(|_| StoreError::Unreadable("compressed bytes"))?;
    if plain.len() > limit {
        return Err(StoreError::TooLarge { what: "a stored value", limit });
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_as_it_was_and_stays_the_same() {
        for plain in [Vec::new(), b"{}".to_vec(), b"mergecast ".repeat(10_000)] {
            let deflated = compress(&plain);
            assert_eq!(deflated, compress(&plain));
            assert_eq!(decompress(&deflated).unwrap(), plain);
        }
        assert_eq!(hex::encode(compress(b"{}")), "789cabae0500017500f9");
    }

    #[test]
    fn bombs_and_damage_are_refused() {
        let bomb = compress(&vec![0; 1 << 20]);
        assert_eq!(inflate(&bomb, 1 << 20).unwrap().len(), 1 << 20);
        let limit = (1 << 20) - 1;
        assert_eq!(inflate(&bomb, limit), Err(StoreError::TooLarge { what: "a stored value", limit }));
        let mut damaged = compress(b"mergecast");
        *damaged.last_mut().unwrap() ^= 1;
        for bytes in [&damaged[..], &bomb[..bomb.len() / 2], b"", b"mergecast"] {
            assert_eq!(decompress(bytes), Err(StoreError::Unreadable("compressed bytes")));
        }
    }
}
