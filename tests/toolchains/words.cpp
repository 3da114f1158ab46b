#include <iostream>
#include <iterator>
#include <map>
#include <regex>
#include <string>

int main() {
    std::string request{std::istreambuf_iterator<char>(std::cin), {}};
    std::regex pattern("[a-z]+");
    std::map<std::string, int> words;
    for (std::sregex_iterator word(request.begin(), request.end(), pattern), end; word != end; ++word) {
        words[word->str()]++;
    }
    std::cout << "{\"ok\": " << (words["action"] == 1 ? "true" : "false") << "}\n";
}
