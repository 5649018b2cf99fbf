//! The threads that load versions, apart from those that serve.

use super::load::{Order, Tools, load};
use super::settings::Settings;
use super::version::{LoadFailure, Version};
use crate::batcher::Pool;
use crate::engine::cache::Cache;
use crate::engine::device::Device;
use crate::monitor::Monitor;
use crate::sync::{memory, priority};
use crossbeam::channel::{Receiver, Sender, unbounded};
use std::sync::Arc;

/// Versions loaded at the same time, so that a slow one does not hold up the others.
pub const LOADER_THREADS: usize = 2;

/// What became of an order.
pub(super) struct Outcome {
    pub order: Order,
    pub result: Result<Version, LoadFailure>,
}

/// Takes orders; ends its threads when dropped, each after the load in hand.
pub(super) struct Loader {
    orders: Sender<Order>,
    pub outcomes: Receiver<Outcome>,
}

impl Loader {
    pub fn start(
        settings: &Settings,
        pool: &Arc<Pool>,
        device: &Device,
        monitor: Option<&Arc<Monitor>>,
    ) -> std::io::Result<Self> {
        // Unbounded, yet small: there is at most one order per version on disk.
        let (orders, work) = unbounded::<Order>();
        let (done, outcomes) = unbounded();
        let cache = Cache::open(&settings.cache).map(Arc::new);
        for number in 0..LOADER_THREADS {
            let (work, done, settings, pool) = (work.clone(), done.clone(), settings.clone(), pool.clone());
            let (cache, device, monitor) = (cache.clone(), device.clone(), monitor.cloned());
            std::thread::Builder::new().name(format!("loader-{number}")).spawn(move || {
                priority::lower_this_thread(priority::BACKGROUND);
                for order in work {
                    let tools =
                        Tools { pool: &pool, cache: cache.as_deref(), device: &device, monitor: monitor.as_deref() };
                    let result = load(&order, &settings, tools);
                    memory::release();
                    if done.send(Outcome { order, result }).is_err() {
                        return;
                    }
                }
            })?;
        }
        Ok(Self { orders, outcomes })
    }

    pub fn order(&self, order: Order) {
        // The threads live as long as this sender, so there is always a receiver.
        let _ = self.orders.send(order);
    }
}
