// What `poplar doctor` finds, step by step: what is wrong, whose move it is, and in what words a
// customer can be told. One thread.

#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "core/app/exit_code.h"

namespace poplar::app {

enum class Health : uint8_t {
  kGood,
  kNote,     // Worth knowing; nobody has to do anything now.
  kFault,    // Somebody has to.
  kSkipped,  // Could not be looked at.
};
enum class Mover : uint8_t {
  kNobody,
  kOperator,   // Who runs this server.
  kDirectory,  // Who runs the directory or database that knows the users.
  kCustomer,
};
std::string_view Name(Health health);
std::string_view Name(Mover mover);

struct Finding {
  std::string step;  // "configuration", "port pop3s", ...
  Health health = Health::kGood;
  std::string says = {};
  Mover mover = Mover::kNobody;
  std::string mend = {};         // What to do; may be empty.
  std::string to_customer = {};  // May be empty.
  ExitCode code = ExitCode::kOk;
};

class Findings {
 public:
  void Good(std::string step, std::string says) {
    Add({.step = std::move(step), .says = std::move(says)});
  }
  void Note(std::string step, std::string says, std::string mend, std::string to_customer = "") {
    Add({.step = std::move(step),
         .health = Health::kNote,
         .says = std::move(says),
         .mend = std::move(mend),
         .to_customer = std::move(to_customer)});
  }
  void Skip(std::string step, std::string why) {
    Add({.step = std::move(step), .health = Health::kSkipped, .says = std::move(why)});
  }
  // Of the operator's making, with the words for that.
  void OurFault(std::string step, std::string says, std::string mend,
                ExitCode code = ExitCode::kUnavailable);
  // What came from outside (an address, a reply) is made printable.
  void Add(Finding finding);

  const std::vector<Finding>& list() const { return list_; }
  // Of the first fault; kOk: there is none.
  ExitCode code() const;

  // With the words for the customer at its end where it is about one.
  void Print(std::ostream& out, bool about_a_customer) const;
  nlohmann::json ToJson() const;

 private:
  // Each once, in order, those of faults alone where there are faults.
  std::vector<std::string> ToCustomer() const;

  std::vector<Finding> list_;
};

}  // namespace poplar::app
