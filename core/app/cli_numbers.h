// Options that take a number or a word: read once to say what is wrong, and once to keep it.
// Private to cli.cc and its parts.

#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "core/app/cli_parts.h"
#include "core/base/status.h"

namespace poplar::app {

template <class Value>
using Parser = std::function<StatusOr<Value>(std::string_view)>;

// A parser that also takes `word`, for `value`.
template <class Value, class Parse>
Parser<Value> Or(std::string word, Value value, Parse parse) {
  return [word = std::move(word), value,
          parse = std::move(parse)](std::string_view text) -> StatusOr<Value> {
    if (text == word) return value;
    POP_ASSIGN_OR_RETURN(const auto number, parse(text));
    return Value(number);
  };
}
// 0 is how "no limit" is kept, and could be meant as its opposite.
template <class Value>
Parser<Value> AtLeastOne(StatusOr<Value> (*parse)(std::string_view), std::string instead) {
  return [parse, instead = std::move(instead)](std::string_view text) -> StatusOr<Value> {
    POP_ASSIGN_OR_RETURN(const Value number, parse(text));
    if (number > 0) return number;
    return MakeStatus(StatusCode::kInvalidArgument,
                      "0 is not taken: write at least 1, or " + instead);
  };
}
template <class Value>
Parser<Value> OrNone(StatusOr<Value> (*parse)(std::string_view)) {
  return Or<Value>("none", 0, AtLeastOne(parse, "none: no limit"));
}

template <class Value>
void AddNumber(CLI::App* leaf, const std::string& name, const std::string& type,
               const std::string& does, const Parser<Value>& parse,
               const std::function<void(Value)>& take) {
  leaf->add_option_function<std::string>(
          name, [parse, take](const std::string& text) { take(*parse(text)); }, does)
      ->type_name(type)
      ->check([parse](const std::string& text) { return FaultIn(parse(text)); }, "");
}

}  // namespace poplar::app
