// Many threads add, one takes all: how work, requests and jobs reach another thread. Items are
// linked through a field of their own, so adding allots nothing and cannot fail.
//
// `Next` names the link, a `T*` field: MpscList<Work, &Work::next_>. An item belongs to the list
// from Push until TakeAll.

#pragma once

#include <atomic>

namespace poplar::io {

template <class T, T* T::* Next>
class MpscList {
 public:
  // Any thread. What the caller wrote before is seen by whoever takes the item. True if the list
  // was empty.
  bool Push(T& item) { return PushChain(item, item); }

  // `newest` is linked, through `Next`, to what was added before it, down to `oldest`. One exchange
  // for all of them.
  bool PushChain(T& newest, T& oldest) {
    T* head = head_.load(std::memory_order_relaxed);
    do {
      oldest.*Next = head;
      // Sequentially consistent for the sake of the sleeper's protocol (Reactor::Wake).
    } while (!head_.compare_exchange_weak(head, &newest, std::memory_order_seq_cst,
                                          std::memory_order_relaxed));
    return head == nullptr;
  }

  // The taking thread only. All items, linked oldest first; null when there are none.
  T* TakeAll() {
    T* item = head_.exchange(nullptr, std::memory_order_acquire);
    T* oldest = nullptr;
    while (item != nullptr) {
      T* const before = item->*Next;
      item->*Next = oldest;
      oldest = item;
      item = before;
    }
    return oldest;
  }

  bool empty() const { return head_.load(std::memory_order_seq_cst) == nullptr; }

 private:
  std::atomic<T*> head_{nullptr};
};

}  // namespace poplar::io
