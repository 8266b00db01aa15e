//! Seconds since 1970 as a date, in UTC.

const SECONDS_PER_DAY: i64 = 86_400;

/// `2025-01-31 23:59:59`, or the bare number of seconds for years that no calendar here goes to.
pub(crate) fn date_and_time(seconds: i64) -> String {
    let days = seconds.div_euclid(SECONDS_PER_DAY);
    let second = seconds.rem_euclid(SECONDS_PER_DAY);
    let Some((year, month, day)) = date(days) else {
        return seconds.to_string();
    };
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// The Gregorian date of a day counted from 1970-01-01.
fn date(days: i64) -> Option<(i64, usize, i64)> {
    const YEARS: std::ops::Range<i64> = 0..10_000;
    // Counted from 0000-03-01, so that the leap day is the last of its year, and every 400 years are alike.
    let days = days.checked_add(719_468)?;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let leap_days = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // From March on, months of 31, 30, 31, 30, 31 days repeat.
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let month = usize::try_from(month).ok()?;
    YEARS.contains(&year).then_some((year, month, day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00"),
            (-1, "1969-12-31 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_735_689_599, "2024-12-31 23:59:59"),
            (4_107_542_400, "2100-03-01 00:00:00"),
            (15_032_385_535, "2446-05-10 22:38:55"),
        ] {
            assert_eq!(date_and_time(seconds), expected);
        }
        assert_eq!(date_and_time(i64::MAX), i64::MAX.to_string());
        assert_eq!(date_and_time(i64::MIN), i64::MIN.to_string());
    }
}
