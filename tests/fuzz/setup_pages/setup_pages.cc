// What mail programs ask that set themselves up, against arbitrary requests. Four parts with 0xFE
// between: path, host, address, body; the method follows from the path.
//
// Whatever is asked, the answer is short, and what says that it is XML is XML, with one element at
// its root.

#include "core/setup/setup_pages.h"

#include <array>
#include <cstdint>
#include <pugixml.hpp>
#include <string_view>

#include "core/base/check.h"
#include "tests/unit/setup/settings_sample.h"

namespace poplar::setup {
namespace {

constexpr char kSeparator = '\xFE';
constexpr size_t kAnswerBytesMax = 64 * 1024;

void CheckXml(std::string_view xml) {
  pugi::xml_document document;
  POP_CHECK(
      document.load_buffer(xml.data(), xml.size(), pugi::parse_default | pugi::parse_doctype));
  size_t elements = 0;
  for (const pugi::xml_node& node : document.children()) {
    if (node.type() == pugi::node_element) ++elements;
  }
  POP_CHECK(elements == 1);
}

}  // namespace

void Run(std::string_view input) {
  static const SetupFacts facts = SampleFacts();
  static const TenantPolicies policies = SamplePolicies();
  std::array<std::string_view, 4> parts;
  for (std::string_view& part : parts) {
    const size_t end = &part == &parts.back() ? input.size() : input.find(kSeparator);
    part = input.substr(0, end);
    input.remove_prefix(end == std::string_view::npos ? input.size()
                                                      : std::min(part.size() + 1, input.size()));
  }
  POP_CHECK(AddressIn(parts[0]).size() <= parts[0].size());
  const bool posts = PageOf(parts[0]) == SetupPage::kAutodiscover;
  const SetupAnswer answer = AnswerTo({.method = posts ? "POST" : "GET",
                                       .path = parts[0],
                                       .host = parts[1],
                                       .address = parts[2],
                                       .body = parts[3]},
                                      facts, policies);
  POP_CHECK(answer.status == 200 || answer.status == 400 || answer.status == 404);
  POP_CHECK(answer.body.size() <= kAnswerBytesMax);
  if (answer.content_type.starts_with("text/xml") || answer.page == SetupPage::kApple) {
    if (answer.status == 200) CheckXml(answer.body);
  }
}

}  // namespace poplar::setup

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  poplar::setup::Run({reinterpret_cast<const char*>(data), bytes});
  return 0;
}
