//! When changes landed, by their own dates. Anybody's clock may be wrong; here all that came later is known, so it is seen
//! which dates agree with one another.

/// When each change landed, from the dates that the changes bear in the order of landing (any unit): never back. Most are
/// believed: a longest sequence of them that does not go back. Another counts as of the nearest time that lies between
/// the believed ones around it. So a pause is as long as it was, and a commit from 2099 moves nothing but itself, unless
/// it is the last.
pub(super) fn settled(dates: &[i64]) -> Vec<i64> {
    let believed = longest_ascent(dates);
    let Some(first) = believed.first() else { return Vec::new() };
    let mut now = dates[*first];
    let mut ahead = believed.iter().copied().peekable();
    let mut settled = Vec::with_capacity(dates.len());
    for (place, date) in dates.iter().enumerate() {
        while ahead.next_if(|believed| *believed < place).is_some() {}
        let after = ahead.peek().map_or(now, |believed| dates[*believed]);
        now = (*date).clamp(now, after.max(now));
        settled.push(now);
    }
    settled
}

/// Places of a longest sequence that does not descend (Fredman 1975); of several that which ends lowest.
fn longest_ascent(values: &[i64]) -> Vec<usize> {
    // By length of a sequence: where the one that ends lowest ends.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(values.len());
    for (place, value) in values.iter().enumerate() {
        let length = ends.partition_point(|end| values[*end] <= *value);
        before.push(length.checked_sub(1).map(|shorter| ends[shorter]));
        match ends.get_mut(length) {
            Some(end) => *end = place,
            None => ends.push(place),
        }
    }
    let mut ascent: Vec<usize> = std::iter::successors(ends.last().copied(), |place| before[*place]).collect();
    ascent.reverse();
    ascent
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn dates_that_agree_are_believed() {
        let check = |dates: &[i64], expected: &[i64]| assert_eq!(settled(dates), expected, "{dates:?}");
        check(&[], &[]);
        check(&[7], &[7]);
        // A pause is as long as it was, whoever ends it.
        check(&[1, 2, 400], &[1, 2, 400]);
        check(&[1, 400, 401, 402], &[1, 400, 401, 402]);
        // Clocks that are wrong move only what bears their dates.
        check(&[1, 2, 9_000, 3, 4], &[1, 2, 3, 3, 4]);
        check(&[1, 2, 9_000, 400, 401], &[1, 2, 400, 400, 401]);
        check(&[5, 6, 0, 7], &[5, 6, 6, 7]);
        check(&[9_000, 1, 2], &[1, 1, 2]);
        check(&[0, 9_000, 9_001, 1, 2, 3], &[0, 1, 1, 1, 2, 3]);
        check(&[5, 6, 0], &[5, 6, 6]);
        check(&[i64::MAX, i64::MIN], &[i64::MIN, i64::MIN]);
    }

    proptest! {
        #[test]
        fn dates_never_go_back_and_stand_where_they_need_no_change(dates in vec(0_i64..30, 0..40)) {
            let found = settled(&dates);
            prop_assert_eq!(found.len(), dates.len());
            prop_assert!(found.is_sorted());
            prop_assert_eq!(settled(&found), found);
        }
    }
}
