//! The nearest of several known words, for a "did you mean".

/// The candidate nearest to `word`, if it is near enough to be what was meant: at most a third of the letters differ
/// (at least one may; a swap of neighbours counts as one), upper and lower case alike. Words over 64 letters have none.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 64;
    let word: Vec<char> = word.chars().take(LONGEST + 1).flat_map(char::to_lowercase).collect();
    if word.len() > LONGEST {
        return None;
    }
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let other: Vec<char> = candidate.chars().take(LONGEST).flat_map(char::to_lowercase).collect();
            let allowed = (word.len().max(other.len()) / 3).max(1);
            let distance = distance(&word, &other);
            (distance <= allowed).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edits that turn one word into the other: insert, delete, replace, swap neighbours.
fn distance(from: &[char], to: &[char]) -> usize {
    let width = to.len() + 1;
    let mut before_last = vec![0; width];
    let mut last: Vec<usize> = (0..width).collect();
    for (row, from_char) in from.iter().enumerate() {
        let mut current = vec![row + 1; width];
        for (column, to_char) in to.iter().enumerate() {
            let replace = last[column] + usize::from(from_char != to_char);
            let mut least = replace.min(last[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && *from_char == to[column - 1] && from[row - 1] == *to_char {
                least = least.min(before_last[column - 1] + 1);
            }
            current[column + 1] = least;
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_typing_error_finds_its_word() {
        let check = |word, expected| assert_eq!(nearest(word, ["threshold", "mode", "floors"]), expected, "{word}");
        check("treshold", Some("threshold"));
        check("Threshhold", Some("threshold"));
        check("mdoe", Some("mode"));
        check("floor", Some("floors"));
        check("ceiling", None);
        check("", None);
        check(&"x".repeat(1_000_000), None);
    }
}
