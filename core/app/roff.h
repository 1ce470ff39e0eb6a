// Text as the man macros of roff take it. Plain functions on strings.

#pragma once

#include <string>
#include <string_view>

namespace poplar::app::roff {

// Running text: nothing in it is taken for a request or an escape; a hyphen stays what is typed.
std::string Text(std::string_view text);
std::string Bold(std::string_view text);
std::string Italic(std::string_view text);

// What a page begins with.
std::string Title(std::string_view name, std::string_view section, std::string_view source);
std::string Section(std::string_view name);
// One or several lines, which are filled.
std::string Paragraph(std::string_view text);
// A paragraph under a name, which is roff already.
std::string Item(std::string_view name, std::string_view text);
// Lines as they are, indented.
std::string Literal(std::string_view lines);

}  // namespace poplar::app::roff
