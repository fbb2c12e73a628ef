//! What was read last of something that is read again and again.

/// Tells what is new from what is as it was.
#[derive(Debug)]
pub(crate) struct News<T>(Option<T>);

impl<T: Clone + PartialEq> News<T> {
    /// Beginning with what was read first.
    pub(crate) fn since(first: T) -> Self {
        Self(Some(first))
    }

    /// What was read now, if it is new; that nothing could be read is news once.
    pub(crate) fn tell<E>(&mut self, read: Result<T, E>) -> Option<Result<T, E>> {
        match read {
            Ok(now) if self.0.as_ref() == Some(&now) => None,
            Ok(now) => {
                self.0 = Some(now.clone());
                Some(Ok(now))
            }
            // Missing in the middle of a swap, or for good.
            Err(_) if self.0.is_none() => None,
            Err(error) => {
                self.0 = None;
                Some(Err(error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_told_once() {
        let mut news = News::since("a");
        for (read, told) in [
            (Ok("a"), None),
            (Ok("b"), Some(Ok("b"))),
            (Ok("b"), None),
            (Err(1), Some(Err(1))),
            (Err(2), None),
            (Ok("b"), Some(Ok("b"))),
            (Ok("b"), None),
        ] {
            assert_eq!(news.tell(read), told);
        }
    }
}
