//! Inflating what came compressed, within bounds: what a few bytes claim to be must not fill the memory.

use std::io::Read;

use flate2::bufread::MultiGzDecoder;

use crate::coverage::REPORT_BYTES_MAX;

/// How a gzip file begins.
const MAGIC: [u8; 2] = [0x1f, 0x8b];
/// Reports shrink to a tenth or a twentieth; what shrinks to a thousandth was made to.
const RATIO_MAX: usize = 200;
/// Up to this size no ratio is a danger.
const HARMLESS: usize = 1 << 20;

/// Why bytes were not inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotInflated {
    /// They are damaged.
    #[error("the gzip data is damaged or cut off")]
    Damaged,
    /// They are more than is taken.
    #[error("the report has more than {REPORT_BYTES_MAX} bytes when it is unpacked")]
    TooLarge,
    /// They blow up as no report does.
    #[error("the report unpacks to more than {RATIO_MAX} times its size, which no coverage report does")]
    Bomb,
}

/// Whether the bytes are gzip's.
pub fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// The bytes that were compressed.
///
/// # Errors
/// Why they are not had.
pub fn inflate(gzip: &[u8]) -> Result<Vec<u8>, NotInflated> {
    let most = REPORT_BYTES_MAX.min(HARMLESS.max(gzip.len().saturating_mul(RATIO_MAX)));
    let mut plain = Vec::new();
    MultiGzDecoder::new(gzip).take(most as u64 + 1).read_to_end(&mut plain).map_err(|_| NotInflated::Damaged)?;
    match plain.len() {
        length if length <= most => Ok(plain),
        _ if most == REPORT_BYTES_MAX => Err(NotInflated::TooLarge),
        _ => Err(NotInflated::Bomb),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn reports_come_back_and_bombs_do_not() {
        let plain = b"SF:a.rs\nDA:1,1\n".repeat(1_000);
        let packed = gzip(&plain);
        assert!(is_gzip(&packed) && !is_gzip(&plain));
        assert_eq!(inflate(&packed).unwrap(), plain);
        // Two files put together, as gzip allows.
        assert_eq!(inflate(&[packed.clone(), packed.clone()].concat()).unwrap().len(), plain.len() * 2);
        assert_eq!(inflate(&packed[..packed.len() - 1]), Err(NotInflated::Damaged));
        assert_eq!(inflate(b"\x1f\x8bxx"), Err(NotInflated::Damaged));
        assert_eq!(inflate(&gzip(&vec![0; 32 << 20])), Err(NotInflated::Bomb));
        assert_eq!(inflate(&gzip(&vec![0; HARMLESS])).unwrap().len(), HARMLESS);
    }
}
