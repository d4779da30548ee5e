"""From a request to a thousand ads worth scoring: filters first, then several sources, then a merge."""
