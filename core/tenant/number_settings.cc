#include "core/tenant/number_settings.h"

#include <variant>

#include "core/tenant/settings.h"

namespace poplar::tenant {

std::vector<NumberSetting> NumbersInForce(Config started, Config reloaded) {
  std::vector<NumberSetting> numbers;
  for (const Setting& setting : Settings()) {
    const NumberForm* const form = std::get_if<NumberForm>(&setting.form);
    if (form == nullptr) continue;
    Config& in_force = setting.takes == Takes::kReload ? reloaded : started;
    numbers.push_back({setting.Name(), form->at(in_force)});
  }
  return numbers;
}

}  // namespace poplar::tenant
