use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

/// The same with queues that are searched.
#[derive(Default)]
struct Model {
    open: VecDeque<u8>,
    idle: VecDeque<u8>,
}

proptest! {
    #[test]
    fn both_orders_agree_with_queues(steps in prop::collection::vec((0..12u8, any::<bool>()), 0..200)) {
        let mut table = Table::new(6);
        let mut model = Model::default();
        for (key, close_first) in steps {
            let index = table.find(&key);
            prop_assert_eq!(index.is_some(), model.open.contains(&key) || model.idle.contains(&key));
            match index {
                Some(index) if model.open.contains(&key) => {
                    prop_assert_eq!(*table.get(index), key);
                    table.set_idle(index);
                    model.open.retain(|other| *other != key);
                    model.idle.push_back(key);
                }
                Some(index) => {
                    table.set_open(index);
                    model.idle.retain(|other| *other != key);
                    model.open.push_back(key);
                }
                None => {
                    if close_first {
                        if let Some(first) = table.first_open() {
                            table.set_idle(first);
                            model.idle.extend(model.open.pop_front());
                        }
                    }
                    let added = table.add(key, || key, |slot| *slot = key);
                    let known = model.open.len() + model.idle.len();
                    if known == 6 && model.idle.pop_front().is_none() {
                        prop_assert_eq!(added, None);
                        continue;
                    }
                    let added = added.expect("there is room");
                    prop_assert_eq!((*table.get(added), table.key(added)), (key, key));
                    model.idle.push_back(key);
                }
            }
            let first = table.first_open().map(|index| table.key(index));
            prop_assert_eq!(first, model.open.front().copied());
        }
        while let Some(first) = table.first_open() {
            prop_assert_eq!(Some(table.key(first)), model.open.pop_front());
            table.set_idle(first);
        }
        prop_assert!(model.open.is_empty());
    }
}
