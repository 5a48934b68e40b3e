#pragma once

#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace ScoreDynPlugin {

/// What is never destroyed, because others keep something for each one that they ever saw: what was given
/// back is taken again before another is made. Each belongs to a key, as a stream to its device.
template <typename Key, typename Thing>
class FreeList {
public:
    /// The one of this key that was given back last, or what `make()` makes.
    template <typename Make>
    Thing take(const Key& key, const Make& make) {
        {
            const std::lock_guard<std::mutex> hold(lock_);
            std::vector<Thing>& idle = idle_[key];
            if (!idle.empty()) {
                Thing found = std::move(idle.back());
                idle.pop_back();
                return found;
            }
        }
        return make();
    }
    void giveBack(const Key& key, Thing thing) {
        const std::lock_guard<std::mutex> hold(lock_);
        idle_[key].push_back(std::move(thing));
    }

private:
    std::mutex lock_;
    std::map<Key, std::vector<Thing>> idle_;
};

}  // namespace ScoreDynPlugin
