//! A report as few bytes, to be stored: lines as differences from the one before.
//!
//! A byte says which form it is, so that a later version can read what an earlier one wrote.

use super::{FILES_MAX, LINE_MAX, LINES_MAX, Line, Report};

/// This form.
const FORM: u8 = 1;

/// The bytes are not a packed report of a form that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

impl std::fmt::Display for Damaged {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a stored coverage report cannot be read")
    }
}

impl std::error::Error for Damaged {}

impl Report {
    /// The report as bytes; the same report is the same bytes. Counts are kept up to 127, which tells once from often.
    pub fn pack(&self) -> Vec<u8> {
        let mut bytes = vec![FORM];
        write(&mut bytes, self.left_out);
        write(&mut bytes, self.files.len() as u64);
        for (path, lines) in &self.files {
            write(&mut bytes, path.len() as u64);
            bytes.extend_from_slice(path.as_bytes());
            write(&mut bytes, lines.len() as u64);
            let mut before = 0;
            for line in lines {
                write(&mut bytes, u64::from(line.number - before));
                bytes.push(line.hits.min(0x7f) as u8);
                before = line.number;
            }
        }
        bytes
    }

    /// What [`Self::pack`] wrote.
    ///
    /// # Errors
    /// The bytes are something else.
    pub fn unpack(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut rest = bytes;
        if take(&mut rest, 1)? != [FORM] {
            return Err(Damaged);
        }
        let mut report = Self { left_out: read(&mut rest)?, ..Self::default() };
        let files = bounded(read(&mut rest)?, FILES_MAX)?;
        let mut left = LINES_MAX;
        for _ in 0..files {
            let length = bounded(read(&mut rest)?, rest.len())?;
            let path = std::str::from_utf8(take(&mut rest, length)?).map_err(|_| Damaged)?;
            let count = bounded(read(&mut rest)?, left.min(rest.len()))?;
            left -= count;
            let mut lines = Vec::with_capacity(count);
            let mut before = 0u32;
            for _ in 0..count {
                let step = u32::try_from(read(&mut rest)?).ok().filter(|step| *step > 0).ok_or(Damaged)?;
                before = before.checked_add(step).filter(|number| *number <= LINE_MAX).ok_or(Damaged)?;
                lines.push(Line { number: before, hits: u32::from(take(&mut rest, 1)?[0]) });
            }
            report.files.insert(path.to_owned(), lines);
        }
        if rest.is_empty() && report.files.len() == files { Ok(report) } else { Err(Damaged) }
    }
}

/// Seven bits a byte, the lowest first; the eighth says that more follow.
fn write(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn read(rest: &mut &[u8]) -> Result<u64, Damaged> {
    let mut number = 0u64;
    for shift in (0..63).step_by(7) {
        let byte = take(rest, 1)?[0];
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(Damaged)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], Damaged> {
    let (taken, after) = rest.split_at_checked(length).ok_or(Damaged)?;
    *rest = after;
    Ok(taken)
}

fn bounded(number: u64, most: usize) -> Result<usize, Damaged> {
    usize::try_from(number).ok().filter(|number| *number <= most).ok_or(Damaged)
}
